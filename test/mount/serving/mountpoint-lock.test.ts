// Several processes that mount on one mount point at the same moment: one of them gets it.

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { lockMountpoint } from '../../../src/mount/serving/mountpoint-lock.js';
import { flock, LOCK_EX } from '../../../src/sys/libc.js';
import { mountMissing, pbkfs } from '../../support/mount.js';
import { privateCatalog } from '../../support/private-catalog.js';
import { run } from '../../support/run.js';
import { temporaryDirectory } from '../../support/swept.js';

async function stage(t: Test) {
  const { catalog } = await privateCatalog(t, 'mini');
  const base = temporaryDirectory('pbkfs-mountpoint-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const mountpoint = join(base, 'mnt');
  mkdirSync(mountpoint);
  const upon = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[4] === mountpoint).length;
  t.teardown(async () => {
    while (upon() > 0) await run('umount', ['-l', mountpoint]);
  });
  const mount = (diff: string) =>
    pbkfs(['mount', '-B', catalog, '-I', 'a', '-i', 'latest', '-D', mountpoint, '-d', join(base, diff)]);
  return { base, mountpoint, upon, mount };
}

t.test('of several mounts at a time one comes up', { skip: mountMissing }, async (t) => {
  const { base, mountpoint, upon, mount } = await stage(t);
  const diffs = ['one', 'two', 'three'];
  const results = await Promise.all(diffs.map(mount));
  t.equal(upon(), 1, 'nothing lies below it');
  t.equal(results.filter(({ status }) => status === 0).length, 1);
  for (const [at, { status, stderr }] of results.entries()) {
    if (status === 0) continue;
    t.equal(status, 1);
    t.match(
      stderr,
      /^pbkfs: (another process is mounting on .*\/mnt right now|.*\/mnt is a mount point already: .*)$/m,
    );
    t.notOk(existsSync(join(base, diffs[at]!)), 'no diff is left');
  }
  t.match(await pbkfs(['unmount', mountpoint]), { status: 0 });
});

t.test('while another process has the lock nothing is mounted', { skip: mountMissing }, async (t) => {
  const { base, mountpoint, upon, mount } = await stage(t);
  const fd = openSync(mountpoint, 'r');
  flock(fd, LOCK_EX);
  const { status, stderr } = await mount('diff');
  closeSync(fd);
  t.equal(status, 1);
  t.match(stderr, /another process is mounting on .*\/mnt right now\nhint: /);
  t.equal(upon(), 0);
  t.notOk(existsSync(join(base, 'diff')));
  t.match(await mount('diff'), { status: 0 });
  t.match(await pbkfs(['unmount', mountpoint]), { status: 0 });
});

t.test('what has come upon it since the last look counts, and no refusal keeps it open', async (t) => {
  const mountpoint = t.testdir();
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  t.throws(() => lockMountpoint('/proc'), { code: 'mountpoint_unusable', message: /a proc file system is mounted/ });
  const release = lockMountpoint(mountpoint);
  t.throws(() => lockMountpoint(mountpoint), { code: 'mountpoint_unusable', message: /another process/ });
  t.equal(open(), before + 1);
  release();
  release();
  t.equal(open(), before);
  lockMountpoint(mountpoint)();
  lockMountpoint(`${mountpoint}/absent`)();
});
