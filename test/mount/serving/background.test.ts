import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { unmount } from '../../../src/mount/index.js';
import { isAlive } from '../../../src/sys/process-identity.js';
import { mountMissing } from '../../support/mount.js';
import { until } from '../../support/until.js';
import { fakeMount } from '../fake/mount.js';

t.test('exit 0 means mounted, and a pipe of the caller is let go (trap 33)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  // `launch` reads stdout and stderr to their end: it would hang if the mount process kept them.
  t.match(await mount.launch(), { status: 0, stdout: 'mounted\n', stderr: '' });
  t.ok(mount.isMounted());
  t.strictSame(readdirSync(mount.mountpoint), []);
  const { pid } = mount.owner();
  t.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
  for (const fd of [1, 2]) t.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), join(mount.diff, 'pbkfs.log'));
  t.equal(mount.state().state, 'mounted');
  t.match(await unmount(mount.mountpoint), { kind: 'clean', diff: mount.diff });
  t.notOk(mount.isMounted());
  t.equal(mount.state().state, 'clean');
});

t.test('mount points with blanks and non-ASCII names work (trap 33)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t, 'точка монтирования\t№1');
  t.equal((await mount.launch()).status, 0);
  t.ok(mount.isMounted());
  t.equal(
    (await mount.launch()).stderr.split('\n')[0],
    `pbkfs: ${mount.mountpoint} is a mount point already: the pbkfs mount of pbkfs:a/TOU5PO is mounted there`,
  );
  t.match(await unmount(mount.mountpoint), { kind: 'clean' });
});

t.test('remount needs only mount point and diff', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  t.equal((await mount.launch()).status, 0);
  await unmount(mount.mountpoint);
  const { mountpoint, diff } = mount;
  const bare = { force: false, afterPowerLoss: false, materializeOnRead: false, mountpoint, diff };
  const again = new (mount.constructor as new (request: typeof bare) => typeof mount)(bare);
  t.match(await again.launch(), { status: 0, stderr: '' });
  await unmount(mount.mountpoint);
});

for (const [fault, message] of [
  ['refuse', /pbkfs: .*the fake server refuses/],
  ['throw', /pbkfs: .*thrown before the mount/],
  ['die', /pbkfs: the mount process ended by SIGKILL before the mount was ready/],
  ['fall', /pbkfs: the mount process ended by SIGKILL before the mount was ready/],
  ['stop', /pbkfs: the mount on .* was stopped before it was ready/],
] as const) {
  const name = `a mount process that fails (${fault}) reaches the terminal with exit 1 (trap 33)`;
  t.test(name, { skip: mountMissing }, async (t) => {
    const mount = await fakeMount(t);
    const { status, stderr, stdout } = await mount.launch(fault);
    t.equal(status, 1);
    t.match(stderr, message);
    t.equal(stdout, '');
    t.notOk(mount.isMounted());
    // Neither a killed process nor one that was up for a moment can take its preparations back.
    if (fault === 'refuse' || fault === 'throw') t.notOk(existsSync(mount.diff), 'the new diff is gone again');
    t.match(await mount.launch(), { status: 0 }, 'and the next mount works');
    await unmount(mount.mountpoint);
  });
}

t.test('a failed remount leaves the binding as it was', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  await unmount(mount.mountpoint);
  const before = mount.state();
  t.equal((await mount.launch('refuse')).status, 1);
  t.strictSame(mount.state(), before);
});

t.test('SIGTERM unmounts and ends cleanly; SIGHUP does not', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  process.kill(owner.pid, 'SIGHUP');
  t.strictSame(readdirSync(mount.mountpoint), []);
  process.kill(owner.pid, 'SIGTERM');
  await mount.ownerEnded(owner);
  t.notOk(mount.isMounted());
  t.equal(mount.state().state, 'clean');
  t.match(mount.log(), /asked to stop reason=SIGTERM/);
});

t.test('a launcher interrupted before the mount is ready leaves none behind', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  const launcher = mount.start('stop');
  // In this fault the server waits a little before it mounts.
  await until(() => existsSync(join(mount.diff, 'pbkfs.log')));
  launcher.kill('SIGKILL');
  const owner = mount.owner();
  await mount.ownerEnded(owner);
  t.notOk(mount.isMounted());
});

t.test('an error nobody caught ends a running mount, logged', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch('burst');
  const owner = mount.owner();
  process.kill(owner.pid, 'SIGUSR2');
  await mount.ownerEnded(owner);
  t.match(mount.log(), /ERROR uncaught error, the mount ends error="Error: thrown while mounted\\n +at /);
  t.match(mount.state(), { state: 'failed', error: 'thrown while mounted' });
  t.notOk(mount.isMounted());
  t.notOk(isAlive(owner));
});
