// Two commands about one diff or mount at the same moment: what another one has made meanwhile stays.

import fs, { existsSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cureStale } from '../../src/mount/cure-stale.js';
import { isDiffLocked } from '../../src/mount/diff/lock.js';
import { cleanup, unmount } from '../../src/mount/index.js';
import { prepareMount } from '../../src/mount/serving/prepare.js';
import { MNT_DETACH, MS_NODEV, mount as mountFs, umount2 } from '../../src/sys/libc.js';
import { mountOn } from '../../src/sys/mountinfo.js';
import { mountMissing } from '../support/mount.js';
import { fakeMount } from './fake/mount.js';

/** Does something just before, or after, a call of node:fs for this path. */
function around(
  t: Test,
  call: 'mkdirSync' | 'readdirSync' | 'rmSync',
  path: string,
  when: 'before' | 'after',
  act: () => void,
): void {
  const original = fs[call] as (...args: unknown[]) => unknown;
  const set = (to: unknown): void => {
    Object.assign(fs, { [call]: to });
    syncBuiltinESMExports();
  };
  t.teardown(() => set(original));
  set((...args: unknown[]) => {
    if (args[0] === path && when === 'before') act();
    const result = original(...args);
    if (args[0] === path && when === 'after') act();
    return result;
  });
}

t.test('a mount that is refused removes nothing that others have put into its new diff', async (t) => {
  const { request, diff } = await fakeMount(t);
  around(t, 'mkdirSync', diff, 'after', () => writeFileSync(join(diff, 'mine'), 'x'));
  t.throws(() => prepareMount(request, true), { code: 'diff_foreign' });
  t.ok(existsSync(join(diff, 'mine')));
});

t.test('a dead mount is not taken away twice', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  process.kill(owner.pid, 'SIGKILL');
  await mount.ownerEnded(owner);
  let first = true;
  // While it looks for servers, another one takes it away and mounts.
  around(t, 'readdirSync', '/proc', 'before', () => {
    if (!first) return;
    first = false;
    umount2(mount.mountpoint, MNT_DETACH);
    mountFs('pbkfs-test', mount.mountpoint, 'tmpfs', MS_NODEV, 'size=64k');
  });
  t.equal(cureStale(mount.mountpoint), 0);
  t.equal(mountOn(mount.mountpoint)?.type, 'tmpfs');
  umount2(mount.mountpoint);
});

t.test('cleanup holds the lock until its file is gone', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  await unmount(mount.mountpoint);
  const held: boolean[] = [];
  around(t, 'rmSync', join(mount.diff, 'lock'), 'before', () => held.push(isDiffLocked(mount.diff)));
  cleanup(mount.diff, true);
  t.strictSame(held, [true]);
  t.notOk(existsSync(mount.diff));
});
