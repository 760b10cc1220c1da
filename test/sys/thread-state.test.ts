import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { runnableThreads, threadId } from '../../src/sys/thread-state.js';

/** A thread that computes until its word is 1, and then waits until it is 2. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { readlinkSync } = require('node:fs');
const words = new Int32Array(workerData);
parentPort.postMessage(Number(readlinkSync('/proc/thread-self').split('/')[2]));
while (Atomics.load(words, 0) === 0);
Atomics.wait(words, 0, 1);
`;

t.test('a thread that computes is runnable, one that waits is not', async (t) => {
  const word = new SharedArrayBuffer(4);
  const words = new Int32Array(word);
  const workers = [1, 2].map(() => new Worker(PROGRAM, { eval: true, workerData: word }));
  t.teardown(() => Promise.all(workers.map((worker) => worker.terminate())));
  const ids = await Promise.all(
    workers.map((worker) => new Promise<number>((resolve) => worker.once('message', resolve))),
  );
  while (runnableThreads(ids) !== 2) await sleep(1);
  t.equal(runnableThreads([...ids, 0, 2 ** 30]), 2, 'a number that is no thread of ours counts as waiting');
  Atomics.store(words, 0, 1);
  while (runnableThreads(ids) !== 0) await sleep(1);
  Atomics.store(words, 0, 2);
  Atomics.notify(words, 0);
});

t.test('a thread knows its number', (t) => {
  // The first thread has the number of the process; tests may run in another one.
  t.ok(threadId()! > 0);
  t.equal(runnableThreads([threadId()!]), 1, 'who asks is running');
  t.end();
});
