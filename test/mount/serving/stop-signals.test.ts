// What signals do to a mount: one that is busy goes on until the second.

import { spawn } from 'node:child_process';
import { closeSync, openSync, statfsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { unmount } from '../../../src/mount/index.js';
import { isAlive } from '../../../src/sys/process-identity.js';
import { mountMissing } from '../../support/mount.js';
import { until } from '../../support/until.js';
import { fakeMount } from '../fake/mount.js';

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
