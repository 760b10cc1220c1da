// The data threads of one mount: started one per device descriptor, and more of them when all are stuck.

import { closeSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PbkfsError } from '../errors.js';
import type { Logger } from '../log.js';
import { control, type SharedState } from '../overlay/shared/shared-state.js';
import { hasRoom, MEMORY_HINT } from '../sys/counted-memory.js';
import { cloneDevice } from '../sys/fuse-device.js';
import { ROOM_PER_THREAD, THREAD_LIMITS } from '../sys/thread-limits.js';
import { runnableThreads } from '../sys/thread-state.js';
import { Channel, type ChannelBuffers } from './channel.js';
import type { DataMessage, DataThreadData } from './data-thread.js';
import { fdLimitPerThread } from './fd-limit.js';
import { HandoverQueue } from './handover-queue.js';
import { RestingReaders } from './resting-readers.js';

/** Data threads at the start, and the most there may be when all of them are busy. */
const INITIAL_THREADS = 4;
export const MAX_THREADS = 24;
/** Readers that are added at a time. */
const GROWTH = 4;
/** All must have been busy with the same requests for so long, in ms, so many times in a row, before there are more. */
const STUCK_AFTER = 3;
const STUCK_TIMES = 3;

const PROGRAM = new URL('./data-thread.js', import.meta.url);

/** What every data thread gets alike. */
export type ReaderSettings = Omit<DataThreadData, 'thread' | 'shared' | 'channel' | 'handover' | 'resting' | 'fdLimit'>;

export interface ReaderPoolEvents {
  /** a thread is about to read; its requests for the namespace come through this channel */
  channel(buffers: ChannelBuffers): void;
  /** a page was refused */
  suspect(): void;
  /** the data of an object, by its path, may go to the disk */
  writeBack(path: string): void;
  /** a thread has ended; `gone`: because the kernel says that the mount is */
  ended(gone: boolean): void;
  failed(error: Error): void;
}

export class ReaderPool {
  readonly #shared: SharedState;
  readonly #log: Logger;
  readonly #events: ReaderPoolEvents;
  readonly #handover: HandoverQueue;
  #resting: RestingReaders | null = null;
  readonly #readers = new Set<Worker>();
  /** the kernel's numbers of those that read */
  readonly #threadIds = new Set<number>();
  readonly #devices: number[] = [];
  #settings: ReaderSettings | null = null;
  #started = 0;
  /** readers that the mount begins with */
  #initial = 0;
  /** readers that were started and do not read yet */
  #starting = 0;
  /** how many times in a row all were found stuck */
  #stuck = 0;
  #closed = false;
  #terminated = false;
  /** the file that threads run, as it was at the start: another version knows another layout of what they share */
  readonly #program = identityOf(PROGRAM);

  constructor(shared: SharedState, log: Logger, events: ReaderPoolEvents) {
    this.#shared = shared;
    this.#handover = HandoverQueue.create(shared.control);
    this.#log = log;
    this.#events = events;
  }

  /** Threads that have not ended. */
  get size(): number {
    return this.#readers.size;
  }

  /** Whether there ever was a thread. */
  get wasStarted(): boolean {
    return this.#started > 0;
  }

  /** Threads started so far, and those of the first ones that are about to be. */
  get started(): number {
    return this.#closed ? this.#started : Math.max(this.#started, this.#initial);
  }

  /**
   * Starts the first thread; as soon as it reads, the others follow: whoever waits for the mount then need not share the
   * CPUs with four threads that come up. The pool owns the device from now on.
   * @throws PbkfsError no_memory
   */
  start(device: number, settings: ReaderSettings, threads = INITIAL_THREADS): void {
    this.#settings = settings;
    const initial = Math.max(1, Math.min(MAX_THREADS, threads));
    // One more for the namespace thread's heap.
    const room = (initial + 1) * ROOM_PER_THREAD;
    if (!hasRoom(room)) {
      throw new PbkfsError('no_memory', `no memory for ${initial} threads: ${room >> 20} MiB of address space`, {
        hint: MEMORY_HINT,
      });
    }
    this.#initial = initial;
    this.#resting = RestingReaders.create(this.#initial);
    this.#add(device);
  }

  /** No further threads. */
  close(): void {
    this.#closed = true;
  }

  closeDevices(): void {
    for (const device of new Set(this.#devices)) closeSync(device);
  }

  /** Stops threads that wait for what will never come; those in read(2) end with the mount only. */
  terminate(): void {
    this.#terminated = true;
    for (const reader of this.#readers) void reader.terminate();
  }

  #add(device: number): void {
    const thread = this.#started + 1;
    const channel = Channel.create(this.#shared.control, device);
    this.#events.channel(channel.buffers);
    const data: DataThreadData = {
      ...this.#settings!,
      thread,
      shared: this.#shared.buffers,
      channel: channel.buffers,
      handover: this.#handover.buffer,
      resting: this.#resting!.buffer,
      fdLimit: fdLimitPerThread(MAX_THREADS),
    };
    const reader = new Worker(PROGRAM, { workerData: data, resourceLimits: THREAD_LIMITS });
    this.#started = thread;
    this.#starting++;
    this.#devices.push(device);
    this.#readers.add(reader);
    reader.on('message', (message: DataMessage) => {
      if (message === 'suspect') this.#events.suspect();
      else if (message === 'starving') this.#watch();
      else if ('writeBack' in message) this.#events.writeBack(message.writeBack);
      else {
        reads = true;
        this.#starting--;
        this.#addInitial();
        if (message.reading !== null) this.#threadIds.add(message.reading);
      }
    });
    let reads = false;
    let failure: Error | undefined;
    reader.on('error', (error) => {
      failure = error as Error;
    });
    // What it has said, also that it reads, has arrived by now; an error may overtake that.
    reader.on('exit', (status) => {
      this.#readers.delete(reader);
      if (!reads) {
        this.#starting--;
        // It has taken no request yet: the others do without it.
        if (failure !== undefined && this.#readers.size > this.#starting) {
          this.#started--;
          this.#noMore(failure);
          return;
        }
      }
      this.#closed = true;
      // A reader leaves its loop only when the kernel has said that the mount is gone.
      if (failure === undefined && status !== 0 && !this.#terminated) {
        failure = new PbkfsError('internal', `data thread ${thread} ended by itself with status ${status}`);
      }
      if (failure !== undefined) this.#events.failed(failure);
      this.#events.ended(status === 0);
    });
  }

  #addInitial(): void {
    while (!this.#closed && this.#started < this.#initial) this.#addFurther();
  }

  /** One more while others read: that none can be had (a limit of processes, say) is no reason for the mount to end. */
  #addFurther(): void {
    if (identityOf(PROGRAM) !== this.#program) {
      this.#noMore(new Error('the program on disk has been replaced; mount anew to use it'));
      return;
    }
    const device = this.#nextDevice();
    try {
      this.#add(device);
    } catch (error) {
      if (!this.#devices.includes(device)) closeSync(device);
      this.#noMore(error as Error);
    }
  }

  #noMore(why: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    const threads = this.#readers.size - this.#starting;
    this.#log.warn('no further data thread can be started: slow storage keeps callers waiting longer', {
      threads,
      error: why.message,
    });
  }

  /** A descriptor for one more reader: a clone, or the same one where the device may not be opened again. */
  #nextDevice(): number {
    const device = this.#devices[0]!;
    try {
      return cloneDevice(device);
    } catch (error) {
      if (this.#devices.length === 1) this.#log.info(`readers share a device: ${(error as Error).message}`);
      return device;
    }
  }

  /**
   * No thread is in read(2), or the last one there leaves READs to the others. A busy moment is no reason for another
   * thread: those that all finish within milliseconds would only get in each other's way, and so would one more where
   * all processors have work. What they do is seen for an instant only, in which even a thread that decodes may wait;
   * so it takes several looks in a row. If they are stuck, several come at once.
   */
  #watch(): void {
    const { control: words } = this.#shared;
    const begun = Atomics.load(words, control.readsBegun);
    const { taken } = this.#handover;
    setTimeout(() => {
      if (this.#closed) return;
      const idle = Atomics.load(words, control.idleReaders) > 0;
      const behind = this.#handover.waiting > 0;
      const noneReads = !idle && Atomics.load(words, control.readsBegun) === begun;
      const noneTakes = behind && this.#handover.taken === taken;
      const isStuck = (noneReads || noneTakes) && this.#starting === 0 && !this.#isComputing();
      this.#stuck = isStuck ? this.#stuck + 1 : 0;
      if (this.#stuck === STUCK_TIMES) this.#grow();
      if ((!idle || behind) && this.#started < MAX_THREADS) {
        this.#watch();
        return;
      }
      Atomics.store(words, control.starving, 0);
      // The last one may have left read(2) before the flag was down, and told nobody.
      const missed = Atomics.load(words, control.idleReaders) === 0 || this.#handover.waiting > 0;
      if (missed && this.#started < MAX_THREADS && Atomics.exchange(words, control.starving, 1) === 0) this.#watch();
    }, STUCK_AFTER);
  }

  /** Whether the threads decode, as many as there are processors: another one would take its time from them. */
  #isComputing(): boolean {
    return runnableThreads(this.#threadIds) >= availableParallelism();
  }

  #grow(): void {
    this.#stuck = 0;
    if (!hasRoom(GROWTH * ROOM_PER_THREAD)) return;
    for (let i = 0; i < GROWTH && !this.#closed && this.#started < MAX_THREADS; i++) this.#addFurther();
  }
}

function identityOf(file: URL): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}
