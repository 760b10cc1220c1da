// Starting the namespace thread: also before it is known what it is to serve, since a thread takes its time to come up.

import { Worker } from 'node:worker_threads';
import { THREAD_LIMITS } from '../sys/thread-limits.js';
import type { NamespaceThreadData, NamespaceThreadStart } from './namespace-thread.js';

let spare: Worker | undefined;

/** Starts a thread that waits for what it is to serve. It does not keep the process running. */
export function startNamespaceThread(): Worker {
  // Data threads count from 1.
  const workerData: NamespaceThreadStart = { thread: 0 };
  const worker = new Worker(new URL('./namespace-thread.js', import.meta.url), {
    workerData,
    resourceLimits: THREAD_LIMITS,
  });
  // Whoever takes a thread hears of its end; one that fails before is not taken.
  worker.on('error', () => undefined);
  worker.unref();
  return worker;
}

/** The next mount of this process takes this thread. */
export function offerNamespaceThread(worker: Worker): void {
  spare = worker;
}

/** Gives what is to be served to the thread that was started before, or to a new one. */
export function runNamespaceThread(data: NamespaceThreadData): Worker {
  const isWaiting = spare !== undefined && spare.threadId !== -1;
  const worker = isWaiting ? spare! : startNamespaceThread();
  spare = undefined;
  worker.ref();
  worker.postMessage(data, [data.mail]);
  return worker;
}

/**
 * Lets a thread end that was offered and not taken. The process waits for it: one that is stopped while it loads a native
 * module takes the whole process along, and with it the message why nothing was mounted.
 */
export function dismissNamespaceThread(): void {
  spare?.ref();
  spare?.postMessage(null);
  spare = undefined;
}
