// A diff whose disk is full to the last block: what is there can still be mounted, looked at, copied and ended in order.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SPARE_FILE } from '../../src/overlay/diff/index.js';
import { fallocate, MS_NODEV, mount as mountFs, umount2 } from '../../src/sys/libc.js';
import { diskMissing, ForgetfulDisk } from '../support/forgetful-disk.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { smallFiles } from '../support/small-catalog.js';
import { type SmallMount, smallMount } from './small-mount.js';

/** Takes every block that is left. @returns what gives them back */
function fill(disk: string): () => void {
  const directory = mkdtempSync(join(disk, 'filler-'));
  const fd = openSync(join(directory, 'filler'), 'w');
  let end = 0;
  for (let bytes = 256 << 20; bytes >= 4096; bytes >>= 1) {
    try {
      for (; ; end += bytes) fallocate(fd, 0, end, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(fd);
  return () => rmSync(directory, { recursive: true });
}

interface FullDisk {
  readonly mount: SmallMount;
  readonly disk: string;
  readonly forgetful?: ForgetfulDisk;
}

const kinds: Record<string, { skip: string | false; make(t: Test): Promise<FullDisk> }> = {
  tmpfs: {
    skip: mountMissing,
    async make(t) {
      let disk = '';
      const mount = await smallMount(t, (base) => {
        disk = join(base, 'disk');
        mkdirSync(disk);
        mountFs('pbkfs-test', disk, 'tmpfs', MS_NODEV, 'size=4m,nr_inodes=200');
        t.teardown(() => umount2(disk));
        return disk;
      });
      return { mount, disk };
    },
  },
  ext4: {
    skip: mountMissing || diskMissing('ext4'),
    async make(t) {
      const forgetful = new ForgetfulDisk(t, 'ext4');
      return { mount: await smallMount(t, () => forgetful.directory), disk: forgetful.directory, forgetful };
    },
  },
};

const block = Buffer.alloc(8192, 7);
const changed = Buffer.from(smallFiles.get('base/1/100')!);
changed.set(block, 8192);

function write(mount: SmallMount): void {
  const fd = openSync(mount.path('base/1/100'), 'r+');
  writeSync(fd, block, 0, block.length, 8192);
  closeSync(fd);
  writeFileSync(mount.path('base/1/new'), 'kept');
  for (let n = 0; n < 100; n++) writeFileSync(mount.path(`pg_wal/name${n}`), '');
}

function isThere(t: Test, root: string, when: string): void {
  t.ok(readFileSync(join(root, 'base/1/100')).equals(changed), `${when}: a changed file`);
  t.equal(readFileSync(join(root, 'base/1/new'), 'latin1'), 'kept', `${when}: a new file`);
  t.ok(existsSync(join(root, 'pg_wal/name99')), `${when}: names`);
}

/** Commands that only look. */
async function looksAt(t: Test, { mount, disk }: FullDisk, sub: string): Promise<void> {
  t.match(await pbkfs(['fsck', '-d', mount.diff]), { status: 0 });
  const copy = join(mount.base, sub);
  t.match(await pbkfs(['export', mount.diff, '-o', copy, '--no-sync']), { status: 0 });
  isThere(t, copy, `exported from a full ${disk}`);
}

t.test('a full disk: mounted, looked at, exported and unmounted', { skip: mountMissing }, async (t) => {
  const full = await kinds.tmpfs!.make(t);
  const { mount, disk } = full;
  write(mount);
  const free = fill(disk);
  t.throws(() => writeFileSync(join(disk, 'more'), block), { code: 'ENOSPC' }, 'it is full');
  rmSync(join(disk, 'more'), { force: true });
  for (const command of ['info', 'stat']) t.match(await pbkfs([command, mount.mountpoint]), { status: 0 });
  await mount.unmount();
  t.equal(mount.state().state, 'clean', 'it ends in order');

  for (const round of ['first', 'second']) {
    const freeMore = fill(disk);
    await mount.remount();
    isThere(t, mount.mountpoint, `${round} mount of a full diff`);
    await mount.unmount();
    t.equal(mount.state().state, 'clean', round);
    freeMore();
  }
  await looksAt(t, full, 'copy');

  await mount.remount();
  await mount.kill9();
  await mount.unmountDead();
  await looksAt(t, full, 'copy-of-killed');
  free();
  await mount.remount();
  isThere(t, mount.mountpoint, 'with room again');
  await mount.unmount();
});

t.test('a disk without a free inode: unmounted, killed and mounted again', { skip: mountMissing }, async (t) => {
  const { mount, disk } = await kinds.tmpfs!.make(t);
  write(mount);
  const takeAll = (): void => {
    const filler = mkdtempSync(join(disk, 'filler-'));
    for (let n = 0; ; n++) writeFileSync(join(filler, `${n}`), '');
  };
  t.throws(takeAll, { code: 'ENOSPC' });
  t.throws(() => appendFileSync(mount.path('base/1/raw'), 'x'), { code: 'ENOSPC' }, 'a new object has no inode');
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
  await mount.remount();
  await mount.kill9();
  await mount.unmountDead();
  await mount.remount();
  isThere(t, mount.mountpoint, 'killed');
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
});

for (const [kind, { skip, make }] of Object.entries(kinds)) {
  t.test(`a full ${kind}: killed in the middle, mounted again`, { skip }, async (t) => {
    const { mount, disk, forgetful } = await make(t);
    write(mount);
    const free = fill(disk);
    await mount.kill9();
    await mount.unmountDead();
    await mount.remount();
    isThere(t, mount.mountpoint, 'after a kill');
    t.match(await pbkfs(['sync', mount.mountpoint]), { status: 0 });
    if (forgetful !== undefined) {
      await mount.kill9();
      await mount.unmountDead();
      forgetful.cut();
      await forgetful.restartWhenFree();
      await mount.remount('--after-power-loss');
      isThere(t, mount.mountpoint, 'after a power loss');
    }
    await mount.unmount();
    free();
  });
}

t.test('a diff on a read-only disk', { skip: mountMissing }, async (t) => {
  const { mount, disk } = await kinds.tmpfs!.make(t);
  write(mount);
  await mount.unmount();
  const remount = (how: string) => execFileSync('mount', ['-o', `remount,${how}`, disk]);
  remount('ro');
  const refused = {
    status: 1,
    stderr: /^pbkfs: EROFS: .*\/diff\/lock'\nhint: make that file system writable .* copy the diff/m,
  };
  t.match(await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]), refused);
  t.match(await pbkfs(['export', mount.diff, '-o', join(mount.base, 'copy')]), refused);
  t.match(await pbkfs(['fsck', '-d', mount.diff]), { status: 0 });
  const moved = join(mount.base, 'moved');
  execFileSync('cp', ['-a', mount.diff, moved]);
  t.match(await pbkfs(['export', moved, '-o', join(mount.base, 'copy'), '--no-sync']), { status: 0 });
  isThere(t, join(mount.base, 'copy'), 'by way of a copy');
  remount('rw');
});

t.test('a full disk without the space that is kept', { skip: mountMissing }, async (t) => {
  const { mount, disk } = await kinds.tmpfs!.make(t);
  write(mount);
  await mount.unmount();
  const spare = join(mount.diff, SPARE_FILE);
  t.ok(statSync(spare).blocks >= 256, 'it is kept');
  // As a diff of an earlier version is.
  rmSync(spare);
  const free = fill(disk);
  const before = readFileSync(join(mount.diff, 'journal'));
  const refused = await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]);
  t.match(refused, { status: 1, stderr: `pbkfs: no room on the file system of the diff ${mount.diff}: ENOSPC` });
  t.match(refused.stderr, /\nhint: nothing is lost: make room on that file system .* needs some 100 KiB/);
  t.notOk(mount.mounted);
  t.ok(readFileSync(join(mount.diff, 'journal')).equals(before), 'nothing has changed');
  t.match(await pbkfs(['fsck', '-d', mount.diff]), { status: 0 }, 'fsck needs no room');
  // Whether one record still has room in the journal's last block decides how far it comes.
  const copy = join(mount.base, 'copy');
  const exported = await pbkfs(['export', mount.diff, '-o', copy]);
  t.match(exported.stderr, `no room on the file system of the diff ${mount.diff}`);
  if (exported.status === 0) isThere(t, copy, 'exported');
  else t.notOk(existsSync(join(copy, 'PG_VERSION')), 'or nothing is left of it');
  free();
  await mount.remount();
  isThere(t, mount.mountpoint, 'with room');

  rmSync(spare);
  const freeAgain = fill(disk);
  await mount.kill9();
  await mount.unmountDead();
  t.match(await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 1, stderr: /no room.*\nhint: / });
  freeAgain();
  await mount.remount();
  isThere(t, mount.mountpoint, 'killed on a full disk, with room again');
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
  t.ok(existsSync(spare));
});

t.test('on a full disk somebody unprivileged can change the length of a file', { skip: mountMissing }, async (t) => {
  const { mount, disk } = await kinds.tmpfs!.make(t);
  const [uid, gid] = [65534, 65534];
  for (const directory of ['', 'base', 'base/1']) chmodSync(mount.path(directory), 0o755);
  const path = mount.path('base/1/theirs');
  writeFileSync(path, Buffer.alloc(100_000, 1));
  chownSync(path, uid, gid);
  const free = fill(disk);
  // The space that the journal has taken in advance is used up by changes that remove nothing.
  t.throws(
    () => {
      for (let n = 0; n < 2000; n++) chmodSync(mount.path('base/1/raw'), 0o600 | (n % 8));
    },
    { code: 'ENOSPC' },
  );
  // Neither gives room back, nor needs any.
  for (const size of [99_900, 200_000]) {
    execFileSync('truncate', ['-s', String(size), path], { uid, gid });
    t.equal(statSync(path).size, size);
  }
  const wanted = Buffer.concat([Buffer.alloc(99_900, 1), Buffer.alloc(100_100)]);
  t.ok(readFileSync(path).equals(wanted));
  free();
  await mount.unmount();
  await mount.remount();
  t.ok(readFileSync(path).equals(wanted));
  await mount.unmount();
});
