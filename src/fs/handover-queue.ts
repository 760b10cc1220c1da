// Requests that the last data thread in read(2) leaves to the others, so that it can go on reading: a READ of a slow
// disk or a long FSYNC then does not keep a stat waiting.
//
//   a thread comes out of read(2)        serving + 1, readers - 1
//   it was the last reader               push: somebody else serves? then pushed + 1, serving - 1, enter
//   a request has been served            serving - 1, enter
//   enter                                nothing here: read(2), readers + 1
//                                        nobody reads and somebody serves: read(2), readers + 1
//                                        otherwise: take the oldest, serving + 1
//
// Push and enter decide under a lock, so no request is forgotten: a thread that enters read(2) while a request waits has
// seen another thread serving, which will enter later; and a thread that found none waiting entered before the push, after
// which the pushing thread enters itself. With two threads or more one always reads, however long the others serve.
// test/fs/handover-model.test.ts checks every interleaving.

import { clockOffset } from '../metrics/clock.js';
import { control } from '../overlay/shared/shared-state.js';
import { lock, unlock } from '../pending/mutex.js';
import type { Request } from './protocol/request.js';

/** Requests that fit; with more than this waiting, the last reader serves by itself. */
const ENTRIES = 64;
/** Bytes of the longest request that may be handed over: all that carry no data and no names are shorter. */
export const HANDOVER_BYTES = 128;

/** A READ that takes longer than this, in ms, is a slow one; the kernel's page cache and good disks are far below. */
const SLOW = 3;
/** For so long after a slow READ, in ms, the next one may be slow. */
const SUSPICION = 1000;
/** A quick READ that ended at most so long ago, in ms, says that the other threads will be back at once. */
const MOMENT = 0.5;

const word = { lock: 0, pushed: 1, taken: 2, serving: 3 } as const;
const WORD_BYTES = 64;
const ended = { quick: 0, slow: 1 } as const;
const ENDED_BYTES = 64;
const DEVICE_BYTES = ENTRIES * 4;
const TIME_BYTES = ENTRIES * 8;
const REQUESTS_AT = WORD_BYTES + ENDED_BYTES + DEVICE_BYTES + TIME_BYTES;

export class HandoverQueue {
  readonly buffer: SharedArrayBuffer;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  /** when the last quick READ and the last slow one ended, on a clock of all threads; a guess may be a moment old */
  readonly #ended: Float64Array;
  readonly #devices: Int32Array;
  readonly #times: Float64Array;
  readonly #bytes: Uint8Array;
  /** of the request that `enter` took last: the device it was read from, and when, by this thread's performance.now() */
  device = -1;
  arrived = 0;

  /** @param controlWords of the mount: they count the threads in read(2) */
  constructor(buffer: SharedArrayBuffer, controlWords: Int32Array) {
    this.buffer = buffer;
    this.#control = controlWords;
    this.#words = new Int32Array(buffer, 0, WORD_BYTES / 4);
    this.#ended = new Float64Array(buffer, WORD_BYTES, ENDED_BYTES / 8);
    this.#devices = new Int32Array(buffer, WORD_BYTES + ENDED_BYTES, ENTRIES);
    this.#times = new Float64Array(buffer, WORD_BYTES + ENDED_BYTES + DEVICE_BYTES, ENTRIES);
    this.#bytes = new Uint8Array(buffer, REQUESTS_AT);
  }

  static create(controlWords: Int32Array): HandoverQueue {
    return new HandoverQueue(new SharedArrayBuffer(REQUESTS_AT + ENTRIES * HANDOVER_BYTES), controlWords);
  }

  /** A thread has a request, before it stops counting as a reader. */
  begin(): void {
    Atomics.add(this.#words, word.serving, 1);
  }

  /** It has served or pushed it, and will call `enter`. */
  end(): void {
    Atomics.sub(this.#words, word.serving, 1);
  }

  /** A READ was served. @param took ms @param now by this thread's performance.now() */
  served(took: number, now: number): void {
    this.#ended[took > SLOW ? ended.slow : ended.quick] = now + clockOffset;
  }

  /** Whether READs are quick at the moment: then serving one beats leaving it to others, who are back at once. */
  readsAreQuick(now: number): boolean {
    const time = now + clockOffset;
    return time - this.#ended[ended.quick]! < MOMENT && time - this.#ended[ended.slow]! > SUSPICION;
  }

  /** Leaves a request to whoever enters. False: it does not fit, or nobody else is serving who would come for it. */
  push(request: Request, device: number, arrived: number): boolean {
    const words = this.#words;
    const { length } = request;
    if (length > HANDOVER_BYTES) return false;
    lock(words, word.lock);
    const at = words[word.pushed]!;
    const accepted = Atomics.load(words, word.serving) > 1 && ((at - words[word.taken]!) | 0) < ENTRIES;
    if (accepted) {
      const slot = at & (ENTRIES - 1);
      const start = slot * HANDOVER_BYTES;
      this.#devices[slot] = device;
      this.#times[slot] = arrived + clockOffset;
      for (let i = 0; i < length; i++) this.#bytes[start + i] = request.bytes[i]!;
      Atomics.store(words, word.pushed, (at + 1) | 0);
    }
    unlock(words, word.lock);
    return accepted;
  }

  /**
   * What a thread does next. True: serve the request that was copied into `into` (at least HANDOVER_BYTES) and for
   * which it has begun; false: read(2), and it counts as a reader from now on.
   */
  enter(into: Request): boolean {
    const words = this.#words;
    if (this.waiting === 0) {
      Atomics.add(this.#control, control.idleReaders, 1);
      return false;
    }
    lock(words, word.lock);
    const at = words[word.taken]!;
    const mustRead = Atomics.load(this.#control, control.idleReaders) === 0 && Atomics.load(words, word.serving) > 0;
    const take = at !== words[word.pushed] && !mustRead;
    if (take) {
      const slot = at & (ENTRIES - 1);
      const start = slot * HANDOVER_BYTES;
      this.device = this.#devices[slot]!;
      this.arrived = this.#times[slot]! - clockOffset;
      for (let i = 0; i < HANDOVER_BYTES; i++) into.bytes[i] = this.#bytes[start + i]!;
      Atomics.store(words, word.taken, (at + 1) | 0);
      Atomics.add(words, word.serving, 1);
    } else Atomics.add(this.#control, control.idleReaders, 1);
    unlock(words, word.lock);
    return take;
  }

  /** Requests that nobody has taken yet. */
  get waiting(): number {
    return (Atomics.load(this.#words, word.pushed) - Atomics.load(this.#words, word.taken)) | 0;
  }

  /** How many were taken so far (wraps). */
  get taken(): number {
    return Atomics.load(this.#words, word.taken);
  }
}
