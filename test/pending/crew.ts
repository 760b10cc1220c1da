// Starts worker threads for the hammer tests and ends the test when they hang.

import { Worker } from 'node:worker_threads';
import type { Job } from './crew-worker.js';

/** Runs the jobs at the same time, one thread each; resolves with their results, rejects after `timeout` ms. */
export function runCrew(jobs: readonly Job[], timeout = 60_000): Promise<unknown[]> {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const workers: Worker[] = [];
  const results = jobs.map(
    (job) =>
      new Promise<unknown>((resolve, reject) => {
        const worker = new Worker(new URL('./crew-worker.js', import.meta.url), {
          workerData: { job, gate, crew: jobs.length },
          // Without the loaders of the test runner, which make a thread's start slow.
          execArgv: [],
        });
        workers.push(worker);
        worker.once('message', resolve);
        worker.once('error', reject);
        setTimeout(() => reject(new Error(`${job.what}: hangs`)), timeout).unref();
      }),
  );
  return Promise.all(results).finally(() => Promise.all(workers.map((worker) => worker.terminate())));
}
