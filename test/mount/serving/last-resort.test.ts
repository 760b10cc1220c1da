// A process whose end is due, and one of its threads does not end.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../../support/swept.js';

const MODULE = new URL('../../../src/mount/serving/last-resort.js', import.meta.url).href;

/** How a process ends whose thread runs `thread`; its end is due at once. */
async function endOf(t: Test, thread: string, looks = ''): Promise<unknown[]> {
  const script = `
    import { Worker } from 'node:worker_threads';
    import { killAfterGrace } from '${MODULE}';
    new Worker(${JSON.stringify(thread)}, { eval: true, execArgv: [] }).once('message', () => {
      process.exitCode = 3;
      killAfterGrace(${looks});
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  t.teardown(() => child.kill('SIGKILL'));
  return once(child, 'exit');
}

const READY = `require('node:worker_threads').parentPort.postMessage('ready');`;

t.test('a thread that sits in a system call for ever: killed', async (t) => {
  const base = temporaryDirectory('pbkfs-last-resort-');
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const fifo = join(base, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const stuck = `${READY} require('node:fs').openSync(${JSON.stringify(fifo)});`;
  t.strictSame(await endOf(t, stuck, '20'), [null, 'SIGKILL']);
});

t.test('a thread that takes its time: its own end, and the exit status', async (t) => {
  const slow = `${READY} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);`;
  t.strictSame(await endOf(t, slow), [3, null]);
});
