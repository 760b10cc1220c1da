// Reads the older lists of a chain on several threads: the caller's own and helpers, each taking the next list.
//
// The caller waits without an event loop (a mount opens its backup in one go), so that nothing it would hear of a helper's
// end reaches it: helpers count up a word at every piece they have read, and one that does not for a while is given up.
// Whatever a helper cannot read the caller reads itself, and gets the error that there is.

import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { THREAD_LIMITS } from '../../sys/thread-limits.js';
import type { BackupInfo } from '../types.js';
import { listPath } from './list-file.js';
import { PathTable, type PathTableData } from './path-table.js';
import { type ListOwner, type ReadList, readOlderList } from './read-list.js';

/** Words that all threads share. */
const word = { next: 0, progress: 1, words: 2 } as const;

export interface ListThreadData {
  readonly control: Int32Array;
  readonly port: MessagePort;
  readonly jobs: readonly ListOwner[];
  readonly paths: PathTableData;
}

/** What a helper sends for each job; without a list when it could not read it. */
export interface ListAnswer {
  readonly job: number;
  readonly list?: ReadList;
}

/** Bytes of lists from which another thread is worth its start (40 ms of a processor). */
const WORTH_A_THREAD = 32 << 20;
/** More do not help: they all read memory. */
const MOST_THREADS = 4;
/** How long a helper may read one piece, in ms. */
const PATIENCE = 10_000;

/** Takes the next job; -1 when there is none. */
export function nextJob(control: Int32Array, jobs: number): number {
  const job = Atomics.add(control, word.next, 1);
  return job < jobs ? job : -1;
}

/** Tells the caller that there was progress. */
export function progressed(control: Int32Array): void {
  Atomics.add(control, word.progress, 1);
  Atomics.notify(control, word.progress);
}

export interface ReadOptions {
  /** Bytes for which a thread is used; for tests. */
  readonly worthAThread?: number;
  /** Milliseconds; for tests. */
  readonly patience?: number;
}

export class ListThreads {
  readonly #jobs: readonly ListOwner[];
  readonly #found: (ReadList | undefined)[];
  readonly #control = new Int32Array(new SharedArrayBuffer(4 * word.words));
  /** One to each helper. */
  readonly #ports: MessagePort[] = [];
  /** Jobs that helpers have answered, with or without a list. */
  #answered = 0;

  private constructor(jobs: readonly ListOwner[]) {
    this.#jobs = jobs;
    this.#found = jobs.map(() => undefined);
  }

  /**
   * @param older all but the target, FULL first
   * @param paths of the target, in shared memory
   * @returns the lists in the same order
   * @throws what is wrong with the first that cannot be read
   */
  static read(older: readonly BackupInfo[], paths: PathTableData, options: ReadOptions = {}): ReadList[] {
    const { worthAThread = WORTH_A_THREAD, patience = PATIENCE } = options;
    const helpers = Math.min(
      Math.floor(totalBytes(older) / worthAThread),
      older.length - 1,
      availableParallelism() - 1,
      MOST_THREADS - 1,
    );
    const jobs = older.map(({ id, directory, contentCrc }) => ({ id, directory, contentCrc }));
    const threads = new ListThreads(jobs);
    const table = PathTable.from(paths);
    if (helpers > 0) threads.#run(helpers, table, paths, patience);
    return jobs.map((job, n) => threads.#found[n] ?? readOlderList(job, table));
  }

  #run(helpers: number, table: PathTable, paths: PathTableData, patience: number): void {
    const workers: Worker[] = [];
    try {
      try {
        for (let n = 0; n < helpers; n++) workers.push(this.#start(paths));
      } catch {
        // No more threads: this one does what there is to do.
      }
      let own = 0;
      for (let job = this.#next(); job >= 0; job = this.#next()) {
        own++;
        try {
          this.#found[job] = readOlderList(this.#jobs[job]!, table);
        } catch {
          // Read again in the order of the chain: the oldest fault is the one to be told.
        }
      }
      this.#await(this.#jobs.length - own, patience);
    } finally {
      for (const port of this.#ports) port.close();
      for (const worker of workers) void worker.terminate();
    }
  }

  #next(): number {
    return nextJob(this.#control, this.#jobs.length);
  }

  #start(paths: PathTableData): Worker {
    const { port1, port2 } = new MessageChannel();
    const data: ListThreadData = { control: this.#control, port: port2, jobs: this.#jobs, paths };
    const worker = new Worker(new URL('./list-thread.js', import.meta.url), {
      workerData: data,
      resourceLimits: THREAD_LIMITS,
      transferList: [port2],
    });
    // Its end says nothing that the word of progress does not say.
    worker.on('error', () => undefined);
    worker.unref();
    this.#ports.push(port1);
    return worker;
  }

  /** Collects the answers to so many jobs. */
  #await(jobs: number, patience: number): void {
    for (;;) {
      const seen = Atomics.load(this.#control, word.progress);
      this.#receive();
      if (this.#answered >= jobs) return;
      if (Atomics.wait(this.#control, word.progress, seen, patience) === 'timed-out') return;
    }
  }

  #receive(): void {
    for (const port of this.#ports) {
      for (;;) {
        const received = receiveMessageOnPort(port);
        if (received === undefined) break;
        const { job, list } = received.message as ListAnswer;
        this.#answered++;
        if (list !== undefined) this.#found[job] = list;
      }
    }
  }
}

function totalBytes(backups: readonly BackupInfo[]): number {
  let bytes = 0;
  for (const { directory } of backups) {
    bytes += fs.statSync(listPath(directory), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
