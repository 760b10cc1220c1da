// Programs that pbkfs starts and that never come up: Node waits for ever for threads of its own that a limit of processes
// keeps from it. A program that waits before it says anything stands for that.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { openCatalog, resolveChain } from '../../src/backup/index.js';
import { lockChain } from '../../src/mount/chain-lock/chain-lock.js';
import { offerHolder } from '../../src/mount/chain-lock/holder.js';
import { endOf } from '../../src/mount/child-process.js';
import { launchMount } from '../../src/mount/daemon.js';
import { startMountProcess } from '../../src/mount/start-process.js';
import { writeSmallCatalog } from '../support/small-catalog.js';

const STUCK = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';
/** Waits for a disk now and then, shorter than the time between two looks. */
const BUSY = `const word = new Int32Array(new SharedArrayBuffer(4));
  for (const end = Date.now() + 4000; Date.now() < end; Atomics.wait(word, 0, 0, 60))
    for (const pause = Date.now() + 240; Date.now() < pause; );
  process.exit(3)`;
const PATIENCE_MS = 1000;
const HINT = /pids\.max.*TasksMax=.*ulimit -u/;

function start(t: Test, script: string) {
  // Without what tap preloads, which comes up in its own time.
  const env = { PATH: process.env.PATH };
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env });
  t.teardown(() => child.kill('SIGKILL'));
  return { child, ended: endOf(child, PATIENCE_MS) };
}

function mountProcess(t: Test, script: string, patience?: number) {
  const directory = t.testdir({ mnt: {} });
  const program = join(directory, 'program.cjs');
  writeFileSync(program, script);
  const started = startMountProcess(join(directory, 'mnt'), pathToFileURL(program), patience);
  const kill = started.child.kill.bind(started.child);
  t.teardown(() => kill('SIGKILL'));
  return started;
}

const request = (mountpoint: string) => ({
  ...{ mountpoint, diff: `${mountpoint}/diff`, force: false, afterPowerLoss: false, materializeOnRead: false },
});

t.test('a mount process that gets stuck in its start is ended, and the error says what to look at', async (t) => {
  const started = mountProcess(t, STUCK, PATIENCE_MS);
  await t.rejects(launchMount(request(started.mountpoint), started), {
    code: 'mount_failed',
    message: 'the mount process ended at its start, where it got stuck before the mount was ready',
    hint: HINT,
  });
});

t.test('so is the process that locks the backups', async (t) => {
  const chain = resolveChain(openCatalog(writeSmallCatalog(join(t.testdir(), 'catalog'))), 'main', 'latest');
  offerHolder(start(t, STUCK));
  await t.rejects(lockChain(chain), {
    message: 'the process that locks the backups ended at its start, where it got stuck',
    hint: HINT,
  });
});

t.test('a program that comes up slowly is not ended: a loaded machine, or somebody who has stopped it', async (t) => {
  t.match(await start(t, BUSY).ended, { how: 'with status 3', hint: HINT });
  const stopped = start(t, 'process.exit(4)');
  stopped.child.kill('SIGSTOP');
  await sleep(3 * PATIENCE_MS);
  stopped.child.kill('SIGCONT');
  t.strictSame((await stopped.ended).how, 'with status 4');
});

t.test('one that has come up may wait for as long as it likes', async (t) => {
  const { child, ended } = start(t, `process.send({ kind: 'hello' }, () => { ${STUCK} })`);
  await sleep(3 * PATIENCE_MS);
  t.equal(child.exitCode, null);
  child.kill('SIGKILL');
  t.strictSame(await ended, { how: 'by SIGKILL' });
});

t.test('no limit is blamed where it has come up, or somebody has killed it', async (t) => {
  const failed = start(t, `process.send({ kind: 'hello' }); setTimeout(() => process.exit(5), 500)`);
  t.strictSame(await failed.ended, { how: 'with status 5' });
  const killed = start(t, STUCK);
  killed.child.kill('SIGKILL');
  t.strictSame(await killed.ended, { how: 'by SIGKILL' });
});

t.test('--timeout does not wait for a process that SIGKILL does not end', async (t) => {
  const started = mountProcess(t, STUCK);
  const { pid } = started.child;
  // As the kernel does with a process that waits for storage.
  started.child.kill = () => true;
  await t.rejects(launchMount(request(started.mountpoint), started, 100), {
    code: 'mount_failed',
    message: `the mount was not ready within 0.1 s, and its process ${pid} does not end, not even by SIGKILL`,
  });
});
