// Threads that share a device of numbered requests through a handover queue, as data threads do. The device is a
// counter: whoever takes one from it "reads" the request of that number.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { HANDOVER_BYTES, HandoverQueue } from '../../src/fs/handover-queue.js';
import { Request } from '../../src/fs/protocol/request.js';
import { control } from '../../src/overlay/shared/shared-state.js';

export interface Served {
  /** requests this thread served, and those among them that another one had read */
  readonly count: number;
  readonly handedOver: number;
}

interface Task {
  readonly queue: SharedArrayBuffer;
  readonly words: Int32Array;
  /** the device: requests offered, requests read, requests served, and over each request how often it was served */
  readonly device: Int32Array;
  readonly requests: number;
}

const word = { offered: 0, read: 1, served: 2, marks: 3 } as const;
const DEVICE = 5;

/** Runs the requests through the threads; throws if one is lost (after a minute) or served twice. */
export async function runCrew({ threads, requests }: { threads: number; requests: number }): Promise<Served[]> {
  const words = new Int32Array(new SharedArrayBuffer(256));
  const device = new Int32Array(new SharedArrayBuffer((word.marks + requests) * 4));
  const queue = HandoverQueue.create(words).buffer;
  const workerData: Task = { queue, words, device, requests };
  const options = { workerData, execArgv: [] };
  const workers = Array.from({ length: threads }, () => new Worker(new URL(import.meta.url), options));
  const results = workers.map(
    (worker) =>
      new Promise<Served>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        setTimeout(() => reject(new Error(`${device[word.served]} of ${requests} served`)), 60_000).unref();
      }),
  );
  try {
    // A few at a time are outstanding, as callers wait for their answers.
    for (let offered = 0; offered < requests; ) {
      const open = offered - Atomics.load(device, word.served);
      if (open >= 2 * threads) {
        await new Promise(setImmediate);
        continue;
      }
      offered = Atomics.add(device, word.offered, 1) + 1;
      Atomics.notify(device, word.offered);
    }
    const served = Promise.all(results);
    while (Atomics.load(device, word.served) < requests) {
      await Promise.race([served, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
    // The mount is gone.
    Atomics.store(device, word.offered, -1);
    Atomics.notify(device, word.offered);
    return await served;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The loop of a data thread. */
function serveAll({ queue: buffer, words, device, requests }: Task): Served {
  const queue = new HandoverQueue(buffer, words);
  const request = new Request(new ArrayBuffer(4096));
  const taken = new Request(new ArrayBuffer(HANDOVER_BYTES));
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  let count = 0;
  let handedOver = 0;
  const serve = (number: number): void => {
    if (number >= requests || Atomics.add(device, word.marks + number, 1) !== 0) throw new Error(`${number} again`);
    // Some take long.
    if (number % 4 === 0) Atomics.wait(nothing, 0, 0, 1);
    count++;
    queue.end();
    Atomics.add(device, word.served, 1);
  };
  for (;;) {
    if (queue.enter(taken)) {
      if (queue.device !== DEVICE) throw new Error(`device ${queue.device}`);
      handedOver++;
      serve(taken.uniqueLow);
      continue;
    }
    const number = read(device);
    queue.begin();
    const others = Atomics.sub(words, control.idleReaders, 1) - 1;
    if (number < 0) return { count, handedOver };
    request.words[0] = 80;
    request.words[2] = number;
    if (others === 0 && queue.push(request, DEVICE, performance.now())) queue.end();
    else serve(number);
  }
}

/** The number of the next request; -1 when there will be none. */
function read(device: Int32Array): number {
  for (;;) {
    const offered = Atomics.load(device, word.offered);
    if (offered < 0) return -1;
    const number = Atomics.load(device, word.read);
    if (number >= offered) Atomics.wait(device, word.offered, offered);
    else if (Atomics.compareExchange(device, word.read, number, number + 1) === number) return number;
  }
}

if (!isMainThread && workerData !== null && 'queue' in workerData) parentPort!.postMessage(serveAll(workerData));
