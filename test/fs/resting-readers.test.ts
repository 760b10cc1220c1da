// Who rests and who is woken: the numbers. That nobody is forgotten is shown by handover-model.test.ts.

import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import t from 'tap';
import { RestingReaders } from '../../src/fs/resting-readers.js';

if (isMainThread) {
  t.test('as many as at the beginning are never too many', async (t) => {
    const resting = RestingReaders.create(4);
    t.notOk(resting.enough(3));
    t.ok(resting.enough(4));
    t.notOk(resting.wake(), 'nobody rests');
    t.notOk(resting.left(0, performance.now()), 'nobody reads, and nobody comes');
    t.notOk(resting.enough(3), 'nobody came, so nobody was missed');
  });

  t.test('who is wanted at once does not sleep', async (t) => {
    const resting = RestingReaders.create(1);
    resting.rest(() => true);
    t.equal(resting.parked, 0);
  });

  t.test('the last reader wakes one, from then on one more reads, until they are too many for a while', async (t) => {
    const resting = RestingReaders.create(1);
    const workers = [1, 2].map(
      () => new Worker(new URL(import.meta.url), { workerData: resting.buffer, execArgv: [] }),
    );
    while (resting.parked < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    const begun = performance.now();
    t.ok(resting.left(1, begun), 'one is left: nobody is woken');
    t.equal(resting.parked, 2);
    t.ok(resting.left(0, begun));
    await Promise.race(workers.map((worker) => once(worker, 'exit')));
    t.equal(resting.parked, 1);
    t.notOk(resting.enough(1));
    t.ok(resting.enough(2));
    for (let at = begun; at < begun + 500; at += 10) resting.left(2, at);
    t.ok(resting.enough(1), 'two were left over all the time');
    resting.end();
    t.equal(resting.parked, 0);
    await Promise.all(workers.map((worker) => (worker.threadId === -1 ? null : once(worker, 'exit'))));
  });
} else new RestingReaders(workerData as SharedArrayBuffer).rest(() => false);
