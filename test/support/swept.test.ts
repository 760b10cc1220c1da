import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isAlive, type ProcessIdentity } from '../../src/sys/process-identity.js';
import { mountsBelow } from './left-behind.js';
import { run } from './run.js';
import { until } from './until.js';

t.setTimeout(120_000);

const VICTIM = fileURLToPath(new URL('./swept-victim.js', import.meta.url));

t.test('a killed test leaves no directory, no mount and no program', async (t) => {
  const { signal, stdout } = await run(process.execPath, [VICTIM]);
  t.equal(signal, 'SIGKILL');
  const { directory, program } = JSON.parse(stdout) as { directory: string; program: ProcessIdentity };
  await until(() => !existsSync(directory), 30_000);
  t.same(mountsBelow(directory), [], 'the mount');
  t.notOk(isAlive(program), 'the program');
});
