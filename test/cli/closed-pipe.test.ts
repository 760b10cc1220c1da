// Commands whose reader has gone end without a word, as in `pbkfs show --help | head -1`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { availableCatalogs, copyCatalog } from '../support/catalogs.js';
import { isMounted, mountMissing } from '../support/mount.js';
import { run } from '../support/run.js';
import { swept } from '../support/swept.js';

const CLI = fileURLToPath(new URL('../../bundle/cli/pbkfs.js', import.meta.url));

/** Runs a command with nobody at the other end of its standard output. */
async function unread(...args: string[]): Promise<{ status: number | null; signal: string | null; stderr: string }> {
  // Without the modules of the test runner, which listen to signals in every process.
  const program = ['-u', 'NODE_OPTIONS', process.execPath, CLI];
  const child = spawn('env', [...program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { status, signal, stderr };
}

for (const args of [
  ['--help'],
  ['list', '--json'],
  ['start', '--help'],
  ['mount', '--help'],
  ['validate', '--help'],
  ['archive-get', '--help'],
]) {
  t.test(`pbkfs ${args.join(' ')}: ends by SIGPIPE`, async (t) => {
    t.same(await unread(...args), { status: null, signal: 'SIGPIPE', stderr: '' });
  });
}

/** Runs a command whose standard output, or standard error, is a full disk. */
const full = (where: '>' | '2>', ...args: string[]) =>
  run('sh', ['-c', `unset NODE_OPTIONS; exec "$@" ${where} /dev/full`, 'sh', process.execPath, CLI, ...args]);

t.test('output that finds no room is an error in one line', async (t) => {
  for (const args of [['list'], ['mount', '--help'], ['validate', '--help']]) {
    const { status, stderr } = await full('>', ...args);
    t.equal(status, 1);
    t.match(stderr, /^pbkfs: cannot write to standard output: ENOSPC\nhint: .*\n$/);
  }
  const { status, stderr } = await full('>', 'list', '--json');
  t.equal(status, 1);
  t.match(JSON.parse(stderr), { error: { code: 'output_failed' } });
  t.equal((await full('>', 'archive-get', '--help')).status, 255, 'PostgreSQL must not take it for the end of the WAL');
  const refused = await full('2>', 'validate', '-B', '/nowhere', '-I', 'a', '-i', 'latest');
  t.equal(refused.status, 1, 'a reason that cannot be said changes no exit status');
});

const missing = mountMissing || (availableCatalogs().includes('mini') ? false : 'the catalog mini is missing');

t.test('a mount in the foreground is taken away', { skip: missing }, async (t) => {
  const scratch = swept(mkdtempSync('/tmp/pbkfs-closed-pipe-'));
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
  const catalog = await copyCatalog('mini', scratch);
  const mountpoint = swept(mkdtempSync(join(scratch, 'mount-')));
  const where = ['-D', mountpoint, '-d', join(scratch, 'diff')];
  const { status, signal, stderr } = await unread(
    ...['mount', '--console', '-B', catalog, '-I', 'a', '-i', 'latest', ...where],
  );
  t.same({ status, signal }, { status: 0, signal: null });
  t.match(stderr, /asked to stop .*SIGTERM/);
  t.notMatch(stderr, /EPIPE/);
  t.notOk(isMounted(mountpoint));
  const lost = await full('>', 'mount', '--console', '-B', catalog, '-I', 'a', '-i', 'latest', ...where);
  t.match(lost, { status: 1, stderr: /cannot write to standard output: ENOSPC(.*\n)*.*unmounted status=0/ });
  t.notOk(isMounted(mountpoint));
});
