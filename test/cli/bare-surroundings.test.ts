// Containers and namespaces that lack what a host has: what is said there, and that nothing worse happens.

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { refuseAsFirstProcess } from '../../src/cli/first-process.js';
import { copyCatalog } from '../support/catalogs.js';
import { matchWhole } from '../support/match-whole.js';
import { CLI, mountMissing, pbkfs } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { type RunResult, run } from '../support/run.js';
import { faults } from '../support/schema.js';
import { temporaryDirectory } from '../support/swept.js';

const skip = mountMissing || (spawnSync('setpriv', ['--version']).status === 0 ? false : 'setpriv is not installed');
const base = temporaryDirectory('pbkfs-bare-');
t.teardown(() => rmSync(base, { recursive: true }));

const without = (capabilities: string, ...args: string[]): Promise<RunResult> =>
  run('setpriv', ['--bounding-set', capabilities, process.execPath, CLI, ...args]);

t.test('no /proc', { skip }, async (t) => {
  const script = 'mount -t tmpfs none /proc && exec "$@"';
  const result = await run('unshare', ['-m', 'sh', '-c', script, 'sh', process.execPath, CLI, 'list', '--json']);
  t.match(result, { status: 1, stdout: '' });
  t.strictSame(faults('error', result.stderr), []);
  t.match(JSON.parse(result.stderr), { error: { code: 'no_proc', hint: /mount -t proc/ } });
});

t.test('process 1 of a PID namespace does not say "mounted" of what ends with it', { skip }, async (t) => {
  const mountpoint = join(base, 'mnt');
  mkdirSync(mountpoint);
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = ['mount', '-B', catalog, '-I', 'a', '-i', 'latest', '-D', mountpoint, '-d', join(base, 'diff')];
  const result = await run('unshare', ['-pf', '--mount-proc', process.execPath, CLI, ...mount]);
  t.match(result, { status: 2, stdout: '', stderr: /is process 1 here.*\nhint: --console/ });
  t.notOk(existsSync(join(base, 'diff')));
  t.doesNotThrow(() => refuseAsFirstProcess('', 2));
});

t.test('root without the rights of root', { skip }, async (t) => {
  // Not a private catalog: its files are those of all tests.
  const catalog = await copyCatalog('mini', base);
  execFileSync('chown', ['-R', '65534:65534', catalog]);
  const valid = await without('-setuid,-setgid', 'validate', '-B', catalog, '-I', 'a', '-i', 'latest');
  t.match(valid, { status: 0, stderr: /^pbkfs: warning: pg_probackup's lock is not held.*CAP_SETUID.*\n$/ });
  const query = ['--database', 'app', '--query', 'select 1', '-o', join(base, 'out')];
  const rescued = await without('-chown', 'rescue', '-B', catalog, '-I', 'a', '-i', 'latest', ...query);
  t.match(rescued, { status: 1, stderr: /root may not act for user .*\nhint: .*CAP_CHOWN/ });
});

t.test('a user whom /etc/passwd does not know runs servers by its number', { skip }, async (t) => {
  const module = new URL('../../src/postgres/server-user.js', import.meta.url).href;
  const script = `import(process.argv[1]).then(({ serverUser }) => process.stdout.write(JSON.stringify(serverUser())))`;
  const user = { uid: 54321, gid: 54321, name: '54321' };
  const { stdout, stderr } = await run(process.execPath, ['-e', script, module], { user });
  t.strictSame(JSON.parse(stdout || stderr), user);
});

t.test('a disk that has no room for a temporary diff', { skip }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const small = join(base, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'pbkfs-test', small]);
  t.teardown(() => execFileSync('umount', [small]));
  const query = ['--database', 'app', '--query', 'select 1', '-o', join(base, 'out'), '--work-dir', small];
  const within = await pbkfs(['rescue', '-B', catalog, '-I', 'a', '-i', 'latest', ...query.with(-1, base)]);
  t.match(within, {
    status: 1,
    stderr: /the user .* cannot reach .*\/mount\nhint: let that user enter/,
  });
  chmodSync(base, 0o755);
  const result = await pbkfs(['rescue', '-B', catalog, '-I', 'a', '-i', 'latest', ...query]);
  t.match(result, { status: 1, stderr: /no room for a temporary diff: .*\nhint: it is gone again: .*--work-dir/ });
  t.strictSame(readdirSync(small), []);
  const elsewhere = query.with(-1, '/tmp');
  execFileSync('mount', ['-o', 'remount,ro', small]);
  const readOnly = await pbkfs(['rescue', '-B', catalog, '-I', 'a', '-i', 'latest', ...elsewhere], { TMPDIR: small });
  t.match(readOnly, { status: 1, stderr: /no directory .*\/pbkfs-pg-.* of the server: EROFS.*\nhint: TMPDIR/ });
  const metrics = join(base, 'drill.prom');
  const drill = ['drill', '-B', catalog, '-I', 'a', '--metrics-file', metrics];
  for (const [more, env] of [
    [['--work-dir', '/tmp'], { TMPDIR: small }],
    [['--work-dir', small], {}],
    [[], { TMPDIR: small }],
  ] as const) {
    const noDrill = await pbkfs([...drill, ...more], env);
    const stderr = /pbkfs: (?:no|cannot make a temporary) directory.*EROFS.*\nhint: .*(?:TMPDIR|--work-dir)/;
    t.match(noDrill, { status: 1, stdout: '', stderr }, 'no verdict on the backup');
    t.match(readFileSync(metrics, 'utf8'), /^pbkfs_drill_success\S* 0$/m);
    t.notMatch(readFileSync(metrics, 'utf8'), 'TOU5PO');
  }
});

t.test('a disk that has no room for the metrics of a drill', { skip }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const full = join(base, 'full');
  const metrics = join(full, 'a.prom');
  mkdirSync(full);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'pbkfs-test', full]);
  t.teardown(() => execFileSync('umount', [full]));
  const drill = ['drill', '-B', catalog, '-I', 'a', '--metrics-file', metrics];
  t.match(await run('sh', ['-c', 'umask 077; exec "$@"', 'sh', process.execPath, CLI, ...drill]), { status: 0 });
  t.equal(statSync(metrics).mode & 0o777, 0o644, 'for the user of node_exporter');
  const before = readFileSync(metrics, 'utf8');
  t.throws(() => writeFileSync(join(full, 'rest'), Buffer.alloc(65_536)), { code: 'ENOSPC' });
  t.match(await pbkfs(drill), {
    status: 1,
    stdout: /passed/,
    stderr: `ENOSPC: no space left on device, write '${metrics}'`,
  });
  const json = await pbkfs([...drill, '--json']);
  t.equal(json.status, 1);
  matchWhole(t, JSON.parse(json.stdout), { passed: true, backups: [{ backupId: 'TOU5PO', passed: true }] });
  t.match(JSON.parse(json.stderr.trimEnd().split('\n').at(-1)!), { error: { message: /ENOSPC/ } });
  const nothing = await pbkfs([...drill.with(4, 'absent')]);
  t.match(nothing, { status: 1, stderr: /warning: the metrics could not be written: ENOSPC.*\npbkfs: .*absent/ });
  t.equal(readFileSync(metrics, 'utf8'), before);
});
