// Unmounting what has nothing mounted yet.

import t, { type Test } from 'tap';
import { unmount } from '../../../src/mount/index.js';
import type { Owner } from '../../../src/mount/mounted.js';
import { register, unregister } from '../../../src/mount/registry.js';
import { findServingProcess } from '../../../src/mount/serving-process.js';
import { comesUp, unseenOn } from '../../../src/mount/unmount/coming-up.js';
import { type ProcessIdentity, selfIdentity } from '../../../src/sys/process-identity.js';
import { mountMissing } from '../../support/mount.js';
import { until } from '../../support/until.js';
import { smallMount } from '../small-mount.js';

t.test('a mount that is coming up is unmounted as soon as it is there', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  await mount.unmount();
  const mounting = mount.remount().catch(() => undefined);
  await until(() => findServingProcess(mount.mountpoint) !== undefined);
  t.notOk(mount.mounted, 'not there yet');
  const { pid } = findServingProcess(mount.mountpoint)!;
  process.kill(pid, 'SIGSTOP');
  // Not "unmounted": it goes on to mount.
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 100 }), {
    code: 'mount_busy',
    message: /^nothing is mounted on .* about to mount it/,
    hint: /kill -CONT/,
  });
  process.kill(pid, 'SIGCONT');
  await unmount(mount.mountpoint);
  t.notOk(mount.mounted);
  await mounting;
  t.equal(mount.state().state, 'clean');
});

const dead = { ...selfIdentity(), startTime: 1 };

/** A directory that nothing is mounted on, and how its entry in the registry says that `process` has mounted there. */
function place(t: Test) {
  const mountpoint = t.testdir();
  const enter = (process: ProcessIdentity): void => {
    const backup = { catalog: '/backups', instance: 'main', backupId: 'TOU5PO' };
    register({ ...process, mountpoint, ...backup, diff: '/diff', mountedAt: 1 });
    t.teardown(() => unregister(mountpoint, process));
  };
  return { mountpoint, enter, owner: (process: ProcessIdentity): Owner => ({ ...process, mountpoint }) };
}

t.test('a process that has been up is on its way out; an entry of an earlier one does not say so', async (t) => {
  const { enter, owner } = place(t);
  const soon = { stopTimeout: 50 };
  const undecided = { code: 'mount_busy', message: /about to mount it, or to end/, hint: /kill -9 \d+ is safe/ };
  await t.rejects(comesUp(owner(selfIdentity()), soon), undecided);
  t.equal(await comesUp(owner(dead), soon), false, 'it has ended meanwhile');
  enter(dead);
  await t.rejects(comesUp(owner(selfIdentity()), soon), undecided);
  enter(selfIdentity());
  t.equal(await comesUp(owner(selfIdentity()), soon), false);
});

t.test('a process that has ended is not waited for', async (t) => {
  const { mountpoint, enter } = place(t);
  t.equal(unseenOn(mountpoint), undefined);
  enter(dead);
  t.equal(unseenOn(mountpoint), undefined);
  await t.rejects(unmount(mountpoint), { code: 'not_mounted' });
  enter(selfIdentity());
  t.equal(unseenOn(mountpoint)?.pid, process.pid);
  t.equal(unseenOn('/proc'), undefined, 'something is mounted there');
  t.equal(unseenOn('/absent/directory'), undefined);
});
