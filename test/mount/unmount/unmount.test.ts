// What unmounting does to mounts in use, dead ones, and what is none of ours.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { unmount, type Wait } from '../../../src/mount/index.js';
import { findRegistered } from '../../../src/mount/registry.js';
import { takeOff } from '../../../src/mount/unmount/take-off.js';
import { MS_NODEV, mount as mountFs, umount2 } from '../../../src/sys/libc.js';
import { matchWhole } from '../../support/match-whole.js';
import { mountMissing } from '../../support/mount.js';
import { fakeMount } from '../fake/mount.js';

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
  const waited: Wait[] = [];
  const onWait = (wait: Wait) => void waited.push(wait);
  const given = unmount(mount.mountpoint, { stopTimeout: 300, onWait }).catch((error: unknown) => error);
  t.match(await Promise.race([given, sleep(30_000, undefined, { ref: false })]), { code: 'mount_busy' });
  Date.now = now;
  const holders = new RegExp(`^process ${process.pid} `);
  matchWhole(t, waited, [{ for: 'users', mountpoint: mount.mountpoint, holders, ms: 300 }]);
  closeSync(fd);
  await given;
  if (mount.isMounted()) await unmount(mount.mountpoint);
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
  t.equal(findRegistered(mount.mountpoint), undefined);
  closeSync(fd);
});

t.test('--force ends the connection under programs, and never under a server', { skip: mountMissing }, async (t) => {
  const mount = await fakeMount(t);
  await mount.launch();
  const owner = mount.owner();
  const program = join(dirname(mount.mountpoint), 'postgres');
  copyFileSync('/bin/sleep', program);
  const fd = openSync(mount.mountpoint, 'r');
  const server = spawn(program, ['60'], { cwd: mount.mountpoint, stdio: 'ignore' });
  t.teardown(() => server.kill('SIGKILL'));
  await t.rejects(unmount(mount.mountpoint, { how: 'force' }), {
    code: 'mount_busy',
    message: `a PostgreSQL server runs on ${mount.mountpoint}, it stays mounted: process ${server.pid}`,
    hint: /--stop-server/,
  });
  t.ok(statfsSync(mount.mountpoint), 'it serves');
  server.kill('SIGKILL');
  await once(server, 'exit');
  t.match(await unmount(mount.mountpoint, { how: 'force' }), { kind: 'clean' });
  t.notOk(mount.isMounted());
  closeSync(fd);
  await mount.ownerEnded(owner);
  t.ok(takeOff(mount.mountpoint, 'polite'), 'somebody else was faster');
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
