// Which thread reads which block index at the moment, so that an index that is in use is not evicted.
//
// Each thread has a word (and a cache line) of its own: 0 free, IDLE, or the row whose index it uses. It never uses two
// at a time.

import { PbkfsError } from '../../errors.js';

/** Threads that may read one overlay at a time. */
export const MAX_READERS = 256;

/** The namespace thread reads nothing, but it frees indexes. */
const SLOTS = MAX_READERS + 1;
const STRIDE = 64 / 4;
const FREE = 0;
const IDLE = -1;

/** One thread's word, and a look at those of the others. */
export class IndexUsers {
  readonly #words: Int32Array;
  readonly #mine: number;

  /** @throws PbkfsError internal when more threads use indexes than there are words */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.#mine = claim(this.#words);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(SLOTS * STRIDE * 4);
  }

  /** From now on the index of `row` is in use. Whoever looks afterwards sees it. */
  enter(row: number): void {
    Atomics.store(this.#words, this.#mine, row);
  }

  leave(): void {
    Atomics.store(this.#words, this.#mine, IDLE);
  }

  /** Whether any thread has entered `row`. */
  has(row: number): boolean {
    for (let at = 0; at < this.#words.length; at += STRIDE) if (Atomics.load(this.#words, at) === row) return true;
    return false;
  }

  /** The thread reads no more. */
  close(): void {
    Atomics.store(this.#words, this.#mine, FREE);
  }
}

function claim(words: Int32Array): number {
  for (let at = 0; at < words.length; at += STRIDE) {
    if (Atomics.compareExchange(words, at, FREE, IDLE) === FREE) return at;
  }
  throw new PbkfsError('internal', `more than ${SLOTS} threads read block indexes`);
}
