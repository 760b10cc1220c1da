import { chownSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkPaths, type GivenPaths } from '../../../src/mount/serving/preflight.js';
import { MS_NODEV, mount, umount2 } from '../../../src/sys/libc.js';
import { temporaryDirectory } from '../../support/swept.js';

const root = process.getuid?.() === 0;

function scratch(t: Test) {
  const base = temporaryDirectory('pbkfs-preflight-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const paths = { mountpoint: join(base, 'mnt'), catalog: join(base, 'catalog'), diff: join(base, 'diff') };
  mkdirSync(paths.mountpoint);
  mkdirSync(paths.catalog);
  return { base, paths };
}

t.test('accepts-an-empty-directory-and-tells-its-owner', async (t) => {
  const { base, paths } = scratch(t);
  if (root) chownSync(paths.mountpoint, 1234, 5678);
  const expected = root ? { uid: 1234, gid: 5678 } : { uid: process.getuid?.(), gid: process.getgid?.() };
  t.strictSame(checkPaths(paths), { ...paths, owner: expected });
  symlinkSync('mnt', join(base, 'link'));
  t.equal(checkPaths({ ...paths, mountpoint: join(base, 'link') }).mountpoint, paths.mountpoint);
});

t.test('refuses-what-is-no-empty-directory', async (t) => {
  const { base, paths } = scratch(t);
  const refused = (mountpoint: string, message: RegExp) =>
    t.throws(() => checkPaths({ ...paths, mountpoint }), { code: 'mountpoint_unusable', message });
  refused(join(base, 'missing'), /does not exist/);
  refused(join(base, 'missing', 'deep'), /does not exist/);
  writeFileSync(join(base, 'file'), '');
  refused(join(base, 'file'), /is not a directory/);
  writeFileSync(join(paths.mountpoint, 'PG_VERSION'), '15');
  refused(paths.mountpoint, /is not empty: it holds 1 name$/);
  t.strictSame(readdirSync(paths.mountpoint), ['PG_VERSION']);
});

t.test('refuses-directories-that-contain-each-other', async (t) => {
  const { base, paths } = scratch(t);
  const other = scratch(t).base;
  const nested = { ...paths, diff: join(paths.mountpoint, 'diff') };
  const refused = (given: typeof paths & Partial<GivenPaths>, message: RegExp) =>
    t.throws(() => checkPaths(given), { code: 'mountpoint_unusable', message });
  refused(nested, /the diff .* lies within the mount point/);
  mkdirSync(join(paths.catalog, 'mnt'));
  refused({ ...paths, mountpoint: join(paths.catalog, 'mnt') }, /the mount point .* lies within the catalog/);
  refused({ ...paths, diff: join(paths.catalog, 'diff') }, /the diff .* lies within the catalog/);
  refused({ ...paths, mountpoint: base }, /the catalog .* lies within the mount point/);
  mkdirSync(join(paths.diff, 'mnt'), { recursive: true });
  refused({ ...paths, mountpoint: join(paths.diff, 'mnt') }, /the mount point .* lies within the diff/);
  refused({ ...paths, diff: base, mountpoint: join(other, 'mnt') }, /the catalog .* lies within the diff/);
  refused({ ...paths, logFile: join(paths.mountpoint, 'log') }, /the log file .* lies within the mount point/);
  refused({ ...paths, logFile: join(paths.catalog, 'log') }, /the log file .* lies within the catalog/);
  refused({ ...paths, pidFile: join(paths.mountpoint, 'pid') }, /the pid file .* lies within the mount point/);
  refused({ ...paths, pidFile: join(paths.catalog, 'pid') }, /the pid file .* lies within the catalog/);
  for (const [outer, name] of [
    [paths.mountpoint, 'mount point'],
    [paths.catalog, 'catalog'],
  ] as const) {
    const message = new RegExp(`the metrics socket .* lies within the ${name}`);
    refused({ ...paths, metricsSocket: join(outer, 'socket') }, message);
  }
  symlinkSync(paths.mountpoint, join(base, 'detour'));
  refused({ ...paths, diff: join(base, 'detour', 'diff') }, /the diff .* lies within the mount point/);
});

t.test('a WAL directory and the others must not contain each other', async (t) => {
  const { base, paths } = scratch(t);
  mkdirSync(paths.diff);
  for (const [name, what] of [
    ['mountpoint', 'mount point'],
    ['catalog', 'catalog'],
    ['diff', 'diff'],
  ] as const) {
    const code = 'mountpoint_unusable';
    const inner = { ...paths, walDir: join(paths[name], 'wal') };
    t.throws(() => checkPaths(inner), { code, message: new RegExp(`the WAL directory .* lies within the ${what} `) });
    const walDir = join(base, `around-${name}`);
    const outer = { ...paths, [name]: join(walDir, 'x'), walDir };
    mkdirSync(outer[name], { recursive: true });
    t.throws(() => checkPaths(outer), { code, message: new RegExp(`the ${what} .* lies within the WAL directory `) });
  }
  const walDir = join(base, 'wal');
  t.match(checkPaths({ ...paths, walDir }), { walDir });
  const { diff: _, ...readOnly } = paths;
  t.match(checkPaths({ ...readOnly, walDir }), { walDir }, 'without a diff');
});

t.test('refuses-a-directory-with-something-mounted', { skip: root ? false : 'needs root to mount' }, async (t) => {
  const { paths } = scratch(t);
  mount('pbkfs-test', paths.mountpoint, 'tmpfs', MS_NODEV, 'size=64k');
  t.throws(() => checkPaths(paths), {
    code: 'mountpoint_unusable',
    message: /a tmpfs file system is mounted there/,
    hint: 'choose another directory',
  });
  umount2(paths.mountpoint);
});
