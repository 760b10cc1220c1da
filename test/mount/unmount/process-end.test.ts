// Unmounting waits for the end of the mount process, and says what it goes on for, or how it ended.

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { type MountState, writeBinding } from '../../../src/mount/diff/binding.js';
import { acquireDiffLock, isDiffLocked } from '../../../src/mount/diff/lock.js';
import { unmount, type Wait } from '../../../src/mount/index.js';
import { findRegistered, unregister } from '../../../src/mount/registry.js';
import { processEnd } from '../../../src/mount/unmount/process-end.js';
import { umount2 } from '../../../src/sys/libc.js';
import { isAlive, type ProcessIdentity, selfIdentity } from '../../../src/sys/process-identity.js';
import { matchWhole } from '../../support/match-whole.js';
import { mountMissing } from '../../support/mount.js';
import { copyMounts } from '../../support/mount-copies.js';
import { fakeMount } from '../fake/mount.js';

t.test('returns only when the process has ended and the diff is free', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch('slow');
  const owner = mount.owner();
  const waited: Wait[] = [];
  const onWait = (wait: Wait) => void waited.push(wait);
  t.match(await unmount(mount.mountpoint, { onWait, patience: 200 }), { kind: 'clean', diff: mount.diff });
  t.strictSame(waited, [{ for: 'process', pid: owner.pid }], 'a long wait is announced once');
  t.notOk(isAlive(owner));
  t.notOk(isDiffLocked(mount.diff));
  t.equal(findRegistered(mount.mountpoint), undefined);
});

t.test(
  'umount(8) and mount again at once: the second waits for the first to end',
  { skip: mountMissing },
  async (t) => {
    const mount = await fakeMount(t);
    await mount.launch('slow');
    const owner = mount.owner();
    umount2(mount.mountpoint, 0);
    t.match(await mount.launch(), { status: 0, stdout: 'mounted\n', stderr: '' });
    t.notOk(isAlive(owner));
    t.not(mount.owner().pid, owner.pid);
    t.match(await unmount(mount.mountpoint), { kind: 'clean' });
  },
);

t.test('a bind mount of it is named, and unmounting that one ends nothing', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  const copy = join(dirname(mount.mountpoint), 'copy');
  mkdirSync(copy);
  execFileSync('mount', ['--bind', mount.mountpoint, copy]);
  t.match(await unmount(copy), { kind: 'unknown', mountpoint: copy, goesOnAt: mount.mountpoint });
  t.ok(isAlive(owner));
  execFileSync('mount', ['--bind', mount.mountpoint, copy]);
  const waited: Wait[] = [];
  const onWait = (wait: Wait) => void waited.push(wait);
  await t.rejects(unmount(mount.mountpoint, { onWait, patience: 0, stopTimeout: 300 }), {
    code: 'mount_busy',
    message: `bind mounts of it are left, for which process ${owner.pid} goes on: ${copy}`,
    hint: `pbkfs unmount -D ${copy}`,
  });
  t.strictSame(waited, [{ for: 'copies', pid: owner.pid, holders: copy }]);
  await unmount(copy);
  await mount.ownerEnded(owner);
  t.equal(mount.state().state, 'clean');
});

t.test('what keeps it mounted in another mount namespace is named', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  const container = await copyMounts(t, dirname(mount.mountpoint));
  const waited: Wait[] = [];
  const onWait = (wait: Wait) => void waited.push(wait);
  const holder = new RegExp(`process ${container.pid} \\(`);
  await t.rejects(unmount(mount.mountpoint, { onWait, patience: 0, stopTimeout: 300 }), {
    code: 'mount_busy',
    message: holder,
    hint: /nsenter/,
  });
  matchWhole(t, waited, [{ for: 'namespaces', pid: owner.pid, holders: holder }]);
  t.notOk(mount.isMounted());
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 0 }), { message: holder }, 'also when it is asked again');
  const other = await fakeMount(t);
  await other.launch();
  const killed = other.owner();
  process.kill(killed.pid, 'SIGKILL');
  await other.ownerEnded(killed);
  unregister(other.mountpoint, killed);
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 0 }), { message: holder }, 'another of that backup is none');
  container.kill('SIGKILL');
  t.match(await unmount(mount.mountpoint), { kind: 'clean' });
  t.notOk(isAlive(owner));
});

t.test('a failed last sync is reported', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch('lose');
  await t.rejects(unmount(mount.mountpoint), {
    code: 'mount_failed',
    message: /is unmounted, but .*the fake disk is broken; see/,
  });
  t.match(mount.state(), { state: 'failed', error: 'EIO: the fake disk is broken' });
  t.match(mount.log(), /ERROR the mount failed/);
});

t.test('a diff that was removed under the mount is no clean end', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  rmSync(mount.diff, { recursive: true });
  await t.rejects(unmount(mount.mountpoint), {
    code: 'mount_failed',
    message: `its diff ${mount.diff} is not there any more`,
  });
});

t.test('what the binding says of its end counts, and of a diff that is mounted again nothing', async (t) => {
  const diff = t.testdir();
  const self = selfIdentity();
  const mountpoint = join(diff, 'mount');
  const owner = { ...self, startTime: self.startTime - 1, mountpoint, diff, logFile: '/var/log/pbkfs' };
  const end = (): Promise<void> => processEnd(owner, { mountpoint }, { stopTimeout: 200 });
  const leave = (state: MountState, by: ProcessIdentity = owner, error?: string): void =>
    writeBinding(diff, {
      catalog: '/backups',
      backup: { instance: 'main', backupId: 'TOU5PO', startTime: 1, systemIdentifier: '7' },
      lastMount: { ...by, mountpoint, state, ...(error === undefined ? {} : { error }) },
    });
  leave('clean');
  await end();
  leave('failed', owner, 'EIO');
  await t.rejects(end(), { code: 'mount_failed', message: /the mount failed: EIO; see \/var\/log\/pbkfs$/ });
  leave('mounted');
  await t.rejects(end(), { code: 'mount_failed', message: /ended without finishing its work; see/ });
  const lock = acquireDiffLock(diff, '/proc');
  leave('clean');
  await t.rejects(end(), { code: 'mount_busy' }, 'a thread of the dead process may hold the lock still');
  leave('mounted', self);
  await end();
  lock.release();
  leave('failed', self);
  await end();
  writeFileSync(join(diff, 'binding.json'), '{');
  await t.rejects(end(), { code: 'diff_damaged' }, 'what nobody can read is no other mount');
});
