// `pbkfs mount --read-only`: the backup without a diff; nothing changes, and what only reads works.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  appendFileSync,
  chmodSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { crc32c } from '../../src/backup/index.js';
import { findRegistered } from '../../src/mount/registry.js';
import { isAlive } from '../../src/sys/process-identity.js';
import { smallStream } from '../e2e/targets.js';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { clientProgram, serverTempDir } from '../support/postgres.js';
import { run } from '../support/run.js';
import { smallFiles } from '../support/small-catalog.js';
import { unmounted } from './small-mount.js';

/** pg_control as after a clean shutdown: the state is a u32 at byte 16, the CRC lies behind the last field. */
function shutDown(control: Buffer): Buffer {
  const changed = Buffer.from(control);
  changed.writeUInt32LE(1, 16);
  for (let at = 200; at < 400; at += 4) {
    if (control.readUInt32LE(at) !== crc32c(control.subarray(0, at))) continue;
    changed.writeUInt32LE(crc32c(changed.subarray(0, at)), at);
    return changed;
  }
  throw new Error('no CRC found in pg_control');
}

const changes: readonly (readonly [string, (root: string) => unknown])[] = [
  ['write a new file', (root) => writeFileSync(join(root, 'new'), 'x')],
  ['open for writing', (root) => openSync(join(root, 'base/1/100'), 'r+')],
  ['append', (root) => appendFileSync(join(root, 'base/1/raw'), 'x')],
  ['truncate', (root) => truncateSync(join(root, 'base/1/100'), 10)],
  ['chmod', (root) => chmodSync(join(root, 'base/1/100'), 0o644)],
  ['utimes', (root) => utimesSync(join(root, 'base/1/100'), 1, 1)],
  ['mkdir', (root) => mkdirSync(join(root, 'directory'))],
  ['rmdir', (root) => rmdirSync(join(root, 'base/1'))],
  ['unlink', (root) => unlinkSync(join(root, 'base/1/100'))],
  ['rename', (root) => renameSync(join(root, 'base/1/100'), join(root, 'base/1/other'))],
  ['link', (root) => linkSync(join(root, 'base/1/100'), join(root, 'base/1/other'))],
  ['symlink', (root) => symlinkSync('target', join(root, 'link'))],
  ['access(W_OK)', (root) => accessSync(join(root, 'base/1/100'), constants.W_OK)],
];

t.test('everything can be read, every change is EROFS', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const { mountpoint, catalog } = mount;
  const args = ['mount', '-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '--read-only'];
  const before = readdirSync(mount.base);
  const pidFile = join(mount.base, 'pid');
  t.match(await pbkfs([...args, '--pid-file', pidFile]), { status: 0, stderr: '' });
  t.teardown(() => spawnSync('umount', ['-l', mountpoint]));
  const process = findRegistered(mountpoint)!;
  t.equal(readFileSync(pidFile, 'utf8'), `${process.pid}\n`);
  const readable = (): void => {
    for (const name of ['base/1/100', 'base/1/101', 'base/1/raw']) {
      t.ok(readFileSync(mount.path(name)).equals(smallFiles.get(name)!), name);
    }
  };
  readable();
  for (const [what, change] of changes) t.throws(() => change(mountpoint), { code: 'EROFS' }, what);
  t.match(statfsSync(mountpoint), { bavail: 0, blocks: Number });

  // Root can make the kernel believe that the mount is writable; the server does not.
  execFileSync('mount', ['-i', '-o', 'remount,rw', mountpoint]);
  for (const [what, change] of changes.filter(([what]) => !/open for|access/.test(what))) {
    t.throws(() => change(mountpoint), { code: 'EROFS' }, `${what}, remounted`);
  }
  readable();
  t.match(JSON.parse(readFileSync(mount.path('.pbkfs/stat'), 'utf8')), { diff: null });

  t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0, stdout: `unmounted ${mountpoint}\n` });
  t.notOk(isMounted(mountpoint));
  t.notOk(isAlive(process), 'its process has ended');
  t.strictSame(readdirSync(mount.base), before, 'no diff, no pid file');
});

t.test('what contradicts --read-only is refused', async (t) => {
  const directory = t.testdir();
  for (const [args, message] of [
    [['-d', '/y'], /--diff cannot be given/],
    [['--after-power-loss'], /--after-power-loss cannot be given/],
    [[], /-B, -I and -i must be given/],
  ] as const) {
    const result = await pbkfs(['mount', '-D', directory, '--read-only', ...args]);
    t.equal(result.status, 2);
    t.match(result.stderr, message);
  }
});

t.test('pg_checksums, pg_controldata and cp work on it', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  const mountpoint = join(serverTempDir(t), 'mount');
  mkdirSync(mountpoint);
  const { catalog, instance, backup } = target;
  const args = ['mount', '-B', catalog, '-I', instance, '-i', backup, '-D', mountpoint, '--read-only'];
  t.match(await pbkfs(args), { status: 0 });
  t.teardown(() => spawnSync('umount', ['-l', mountpoint]));
  const checksums = clientProgram('pg_checksums');
  const controldata = clientProgram('pg_controldata');
  if ('path' in checksums && 'path' in controldata) {
    // pg_checksums wants a cluster that was shut down, which no backup is: lay a control file over it that says so.
    const control = join(t.testdir(), 'pg_control');
    writeFileSync(control, shutDown(readFileSync(join(mountpoint, 'global/pg_control'))));
    execFileSync('mount', ['--bind', control, join(mountpoint, 'global/pg_control')]);
    t.match(await run(controldata.path, ['-D', mountpoint]), { status: 0, stdout: /cluster state: +shut down\n/ });
    const checked = await run(checksums.path, ['--check', '-D', mountpoint]);
    t.match(checked, { status: 0, stdout: /Bad checksums: +0\n/ });
    execFileSync('umount', [join(mountpoint, 'global/pg_control')]);
  } else t.comment('pg_checksums or pg_controldata is not installed (Debian: apt-get install postgresql-15)');
  const copy = join(t.testdir(), 'copy');
  t.match(await run('cp', ['-a', mountpoint, copy]), { status: 0, stderr: '' });
  t.match(await run('diff', ['-r', '--no-dereference', mountpoint, copy]), { status: 0, stdout: '' });
  t.match(await pbkfs(['unmount', '-D', mountpoint]), { status: 0 });
});
