import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readIfThere } from '../../src/sys/read-if-there.js';

t.test('the content, or undefined for what is missing; any other trouble is told', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'file');
  t.equal(readIfThere(file), undefined);
  t.equal(readIfThere(join(directory, 'none', 'file')), undefined);
  writeFileSync(file, 'content');
  t.equal(readIfThere(file)?.toString(), 'content');
  t.equal(readIfThere(Buffer.from(file))?.toString(), 'content', 'also by the bytes of a path');
  t.throws(() => readIfThere(directory), { code: 'EISDIR' });
  t.throws(() => readIfThere(join(file, 'below')), { code: 'ENOTDIR' });
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const endless of [pipe, '/dev/zero']) t.throws(() => readIfThere(endless), /not a plain file/);
});
