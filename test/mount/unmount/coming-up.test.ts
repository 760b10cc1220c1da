// Unmounting what has nothing mounted yet.

import t from 'tap';
import { unmount } from '../../../src/mount/index.js';
import { findServingProcess } from '../../../src/mount/serving-process.js';
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
