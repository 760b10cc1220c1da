import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isDiffLocked } from '../../../src/mount/diff/lock.js';
import { unmount, type Wait } from '../../../src/mount/index.js';
import { findRegistered, unregister } from '../../../src/mount/registry.js';
import { findServingProcess } from '../../../src/mount/serving-process.js';
import { MS_NODEV, mount as mountFs, umount2 } from '../../../src/sys/libc.js';
import { isAlive } from '../../../src/sys/process-identity.js';
import { matchWhole } from '../../support/match-whole.js';
import { mountMissing } from '../../support/mount.js';
import { until } from '../../support/until.js';
import { fakeMount } from '../fake/mount.js';
import { smallMount } from '../small-mount.js';

t.setTimeout(600_000);

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

t.test('a busy mount names its users and stays (trap 34)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const sleeper = spawn('sleep', ['60'], { cwd: mount.mountpoint, stdio: 'ignore' });
  const fd = openSync(mount.mountpoint, 'r');
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 0 }), {
    code: 'mount_busy',
    message: new RegExp(`process ${sleeper.pid} \\(sleep 60\\): cwd ${mount.mountpoint}`),
  });
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 0 }), {
    message: new RegExp(`process ${process.pid} \\(.*\\): open ${mount.mountpoint}`),
  });
  t.ok(mount.isMounted());
  t.equal(mount.state().state, 'mounted');
  closeSync(fd);
  sleeper.kill();
  await new Promise((resolve) => sleeper.once('exit', resolve));
  t.match(await unmount(mount.mountpoint), { kind: 'clean' });
});

t.test('a wait takes as long as it may, also when somebody sets the clock back', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const fd = openSync(mount.mountpoint, 'r');
  const { now } = Date;
  let back = 0;
  t.teardown(() => {
    Date.now = now;
  });
  Date.now = () => {
    back += 60_000;
    return now() - back;
  };
  const given = unmount(mount.mountpoint, { stopTimeout: 300 }).catch((error: unknown) => error);
  t.match(await Promise.race([given, sleep(30_000, undefined, { ref: false })]), { code: 'mount_busy' });
  Date.now = now;
  closeSync(fd);
  await given;
  if (mount.isMounted()) await unmount(mount.mountpoint);
});

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

t.test('a process that is stopped is said to be, with the way on', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  process.kill(owner.pid, 'SIGSTOP');
  const reader = spawn('ls', [join(mount.mountpoint, 'base')], { stdio: 'ignore' });
  // Whether it has asked by then or not: the mount stays busy, or its process does not end.
  await sleep(200);
  await t.rejects(unmount(mount.mountpoint, { stopTimeout: 300 }), {
    code: 'mount_busy',
    hint: `its process is stopped: "kill -CONT ${owner.pid}" lets it go on`,
  });
  process.kill(owner.pid, 'SIGCONT');
  await new Promise((resolve) => reader.once('exit', resolve));
  if (mount.isMounted()) await unmount(mount.mountpoint);
  await mount.ownerEnded(owner);
});

t.test('what keeps it mounted in another mount namespace is named', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  const container = spawn('unshare', ['--mount', '--propagation', 'private', 'sleep', '600'], { stdio: 'ignore' });
  t.teardown(() => container.kill('SIGKILL'));
  await until(() => readFileSync(`/proc/${container.pid}/cmdline`, 'latin1').startsWith('sleep'), 30_000);
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

t.test('SIGTERM on a busy mount is logged, a second one detaches (trap 34)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  const fd = openSync(mount.mountpoint, 'r');
  // Its directory is looked at from the mount process: asking the mount anything would wait for itself.
  const sleeper = spawn('sleep', ['60'], { cwd: mount.mountpoint, stdio: 'ignore' });
  process.kill(owner.pid, 'SIGTERM');
  await until(() => /WARN the mount is busy/.test(mount.log()), 30_000);
  t.match(mount.log(), new RegExp(`process ${process.pid} \\(.*\\): open ${mount.mountpoint}`));
  t.match(mount.log(), new RegExp(`process ${sleeper.pid} \\(sleep 60\\): cwd ${mount.mountpoint}`));
  sleeper.kill();
  await new Promise((resolve) => sleeper.once('exit', resolve));
  t.ok(mount.isMounted());
  process.kill(owner.pid, 'SIGTERM');
  await until(() => !mount.isMounted());
  t.ok(isAlive(owner), 'who still has files open goes on being served');
  closeSync(fd);
  await mount.ownerEnded(owner);
  t.equal(mount.state().state, 'clean');
});

t.test(
  'SIGTERM waits for somebody who only looks in passing, as an exporter does',
  { skip: mountMissing },
  async (t) => {
    const mount = await fakeMount(t);
    await mount.launch();
    const owner = mount.owner();
    const fd = openSync(mount.mountpoint, 'r');
    process.kill(owner.pid, 'SIGTERM');
    await until(() => /INFO asked to stop/.test(mount.log()), 30_000);
    await sleep(200);
    t.ok(mount.isMounted());
    closeSync(fd);
    await mount.ownerEnded(owner);
    t.notOk(mount.isMounted());
    t.notMatch(mount.log(), /the mount is busy/);
  },
);

for (const signal of ['SIGTERM', 'SIGUSR2'] as const) {
  const name = `one that was detached leaves another on its directory alone (${signal})`;
  t.test(name, { skip: mountMissing }, async (t) => {
    const mount = await fakeMount(t);
    await mount.launch('burst');
    const owner = mount.owner();
    const fd = openSync(mount.mountpoint, 'r');
    await unmount(mount.mountpoint, { how: 'lazy' });
    t.match(await mount.launch('none', { diff: `${mount.diff}2` }), { status: 0, stderr: '' });
    process.kill(owner.pid, signal);
    await until(() => /asked to stop|uncaught error/.test(mount.log()), 30_000);
    await sleep(1500);
    t.ok(mount.isMounted());
    t.ok(statfsSync(mount.mountpoint), 'and serves');
    closeSync(fd);
    await mount.ownerEnded(owner);
    t.match(await unmount(mount.mountpoint), { kind: 'clean', diff: `${mount.diff}2` });
  });
}

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

t.test('a dead mount is taken away, also a busy one (trap 30)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  statSync(mount.mountpoint);
  const fd = openSync(mount.mountpoint, 'r');
  process.kill(owner.pid, 'SIGKILL');
  await mount.ownerEnded(owner);
  t.ok(mount.isMounted(), 'the endpoint is still there');
  t.ok(statSync(mount.mountpoint).isDirectory(), 'and looks alive, out of the cache');
  t.match(await unmount(mount.mountpoint), { kind: 'cured', diff: mount.diff });
  t.notOk(mount.isMounted());
  closeSync(fd);
});

t.test('mounting over a dead mount of its own cures it (trap 30)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  process.kill(owner.pid, 'SIGKILL');
  t.match(await mount.launch(), { status: 0, stderr: '' });
  t.not(mount.owner().pid, owner.pid);
  t.match(await unmount(mount.mountpoint), { kind: 'clean' });
  t.notOk(mount.isMounted());
});

t.test('one diff cannot be mounted twice, one backup can (trap 34)', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const other = join(dirname(mount.mountpoint), 'other');
  mkdirSync(other);
  const { status, stderr } = await mount.launch('none', { mountpoint: other });
  t.equal(status, 1);
  t.match(stderr, `is in use by process ${mount.owner().pid}, mounted on ${mount.mountpoint}`);
  t.match(await mount.launch('none', { mountpoint: other, diff: `${mount.diff}2` }), { status: 0 });
  await unmount(other);
  t.equal(mount.state().state, 'mounted');
  await unmount(mount.mountpoint);
});

t.test('what is not mounted by pbkfs is left alone', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await t.rejects(unmount(mount.mountpoint), { code: 'not_mounted', message: /nothing is mounted/ });
  await t.rejects(unmount(join(mount.mountpoint, 'a', 'b')), { code: 'not_mounted', message: /does not exist/ });
  mountFs('pbkfs-test', mount.mountpoint, 'tmpfs', MS_NODEV, 'size=64k');
  t.teardown(() => umount2(mount.mountpoint));
  await t.rejects(unmount(mount.mountpoint), { code: 'not_mounted', message: /is not pbkfs but tmpfs/ });
  t.ok(mount.isMounted());
});

t.test('a path inside a mount is told where the mount is', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  await t.rejects(unmount(join(mount.mountpoint, 'base')), {
    code: 'not_mounted',
    hint: `it lies in the mount on ${mount.mountpoint}`,
  });
  await unmount(mount.mountpoint);
});

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
