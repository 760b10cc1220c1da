// How a mount ends when it is asked to: by signals, idle and under load, and by umount(8).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mountMissing } from '../support/mount.js';
import { run } from '../support/run.js';
import { until } from '../support/until.js';
import { load } from './load.js';
import { ended, smallMount, unmounted } from './small-mount.js';

/** How long the process of a small mount may take to end, in ms. */
const PROCESS_ENDS = 5000;

t.test('SIGTERM unmounts an idle mount', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const owner = mount.process();
  await writeFile(mount.path('base/1/new'), 'kept');
  process.kill(owner.pid, 'SIGTERM');
  await ended(owner, PROCESS_ENDS);
  t.notOk(mount.mounted);
  t.equal(mount.state().state, 'clean');
  await mount.remount();
  t.equal(readFileSync(mount.path('base/1/new'), 'utf8'), 'kept');
});

t.test(
  'SIGTERM under load changes nothing, says who holds the mount, and drains it when it is free (trap 34)',
  {
    skip: mountMissing,
  },
  async (t) => {
    const mount = await smallMount(t);
    const owner = mount.process();
    const work = await load(mount);
    process.kill(owner.pid, 'SIGTERM');
    await until(() => /the mount is busy and stays/.test(mount.log()), 30_000);
    t.match(mount.log(), `process ${process.pid}`);
    const before = work.operations();
    await until(() => work.operations() > before + 20);
    t.strictSame(await work.stop(), ['stopped', 'stopped', 'stopped'], 'no caller saw an error');
    process.kill(owner.pid, 'SIGTERM');
    await ended(owner, PROCESS_ENDS);
    t.equal(mount.state().state, 'clean');
    await mount.remount();
    for (const n of [1, 2, 3])
      t.ok(readFileSync(mount.path(`base/1/load${n}`)).every((byte) => byte === n || byte === 0));
  },
);

t.test('umount by hand ends the process cleanly', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const owner = mount.process();
  await writeFile(mount.path('base/1/new'), 'kept');
  t.match(await run('umount', [mount.mountpoint]), { status: 0 });
  await ended(owner, PROCESS_ENDS);
  t.equal(mount.state().state, 'clean');
});

t.test('umount -l serves open files to their end', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const owner = mount.process();
  const file = await open(mount.path('base/1/new'), 'w+');
  t.match(await run('umount', ['-l', mount.mountpoint]), { status: 0 });
  await file.write('written after');
  await file.sync();
  await file.close();
  await ended(owner, PROCESS_ENDS);
  t.equal(mount.state().state, 'clean');
  await mount.remount();
  t.equal(readFileSync(mount.path('base/1/new'), 'utf8'), 'written after');
});

t.test(
  'a connection that ends while a thread takes a request is a clean end, too',
  { skip: mountMissing },
  async (t) => {
    const mount = await smallMount(t);
    const owner = mount.process();
    mount.fault('aborted-read', '');
    t.match(await run('umount', [mount.mountpoint]), { status: 0 });
    await ended(owner, PROCESS_ENDS);
    t.equal(mount.state().state, 'clean');
    t.notMatch(mount.log(), /ERROR/);
  },
);

t.test('a reply that comes after the end goes to the device of its request', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const owner = mount.process();
  mount.fault('slow-names', '5000');
  const making = run('mkdir', [mount.path('base/late')]);
  await sleep(1500);
  await run('umount', ['-f', mount.mountpoint]);
  t.match(await making, { status: 1 }, 'its caller has gone with the connection');
  await ended(owner, PROCESS_ENDS);
  // The kernel's own answer. The number of a device that was closed may be another file's by then.
  t.match(mount.log(), /a reply did not reach the kernel: ENOENT: .*, write$/m);
  t.equal(mount.state().state, 'clean');
});

t.test('Ctrl-C ends a mount in the foreground', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const options = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const program = spawn(process.execPath, [...mount.program, 'mount', '--console', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  program.stdout.on('data', (chunk) => {
    said += chunk;
  });
  await until(() => said.includes('mounted backup'));
  t.ok(statSync(mount.path('PG_VERSION')).isFile());
  program.kill('SIGINT');
  t.strictSame(await once(program, 'exit'), [0, null]);
  t.notOk(mount.mounted);
  t.equal(mount.state().state, 'clean');
});
