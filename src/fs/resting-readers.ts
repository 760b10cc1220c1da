// How many data threads sit in read(2): those the mount began with, and of those that came later as many as are needed
// at the same time, and one more. The others rest.
//
// The kernel gives each request to the thread that has waited longest. With many of them in read(2) a single client's
// requests go round through all, each with its own compiled code and cold caches; and after a slow moment of a disk there
// are up to 24. So a thread that finds enough others there sleeps until the last one of them leaves.
//
//   rest     parked + 1; nobody reads, or something waits: parked - 1 and go on; otherwise sleep for a token
//   leave    readers - 1; that was the last one and somebody is parked: parked - 1, token + 1
//
// Either the one who rests sees that nobody reads, or the one who leaves sees that somebody is parked.
// test/fs/handover-model.test.ts looks at every interleaving.

import { clockOffset } from '../metrics/clock.js';

/** How often it is looked whether there are more readers than needed, in ms. */
const PERIOD = 100;

const word = { parked: 0, tokens: 1, wanted: 2, least: 3, looked: 4, fewest: 5 } as const;
const WORD_BYTES = 64;
const MANY = 1 << 20;

export class RestingReaders {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** @param fewest readers that are never sent to rest */
  static create(fewest: number): RestingReaders {
    const made = new RestingReaders(new SharedArrayBuffer(WORD_BYTES));
    made.#words[word.fewest] = fewest;
    made.#words[word.wanted] = fewest;
    made.#words[word.least] = MANY;
    return made;
  }

  /** Threads that sleep here. */
  get parked(): number {
    return Atomics.load(this.#words, word.parked);
  }

  /** Whether so many readers are enough. */
  enough(readers: number): boolean {
    return readers >= Atomics.load(this.#words, word.wanted);
  }

  /** Sleeps until a reader is wanted. @param wanted looks, after the thread counts as parked, whether one is at once */
  rest(wanted: () => boolean): void {
    const words = this.#words;
    Atomics.add(words, word.parked, 1);
    // Who cannot take itself off the list has been woken: the token is its own, or will be at once.
    if (wanted() && this.#take(word.parked)) return;
    while (!this.#take(word.tokens)) Atomics.wait(words, word.tokens, 0);
  }

  /** Wakes one. False: nobody rests. */
  wake(): boolean {
    const words = this.#words;
    if (!this.#take(word.parked)) return false;
    Atomics.add(words, word.tokens, 1);
    Atomics.notify(words, word.tokens, 1);
    return true;
  }

  /**
   * A thread has left read(2) with a request. Wakes one that rests when nobody is left there.
   * @param others readers that are left @param now by this thread's performance.now()
   * @returns whether somebody reads, or will at once
   */
  left(others: number, now: number): boolean {
    const words = this.#words;
    if (others < words[word.least]!) words[word.least] = others;
    // Milliseconds on a clock of all threads; they wrap.
    const time = (now + clockOffset) | 0;
    if (((time - words[word.looked]!) | 0) > PERIOD) this.#look(time);
    if (others > 0) return true;
    if (!this.wake()) return false;
    Atomics.add(words, word.wanted, 1);
    return true;
  }

  /** Wakes all: the mount has gone. */
  end(): void {
    while (this.wake());
  }

  /** One of those who read may always be left over; more than that rest from now on. The numbers may be a moment old. */
  #look(time: number): void {
    const words = this.#words;
    words[word.looked] = time;
    const spare = words[word.least]! - 1;
    words[word.least] = MANY;
    if (spare <= 0 || spare >= MANY - 1) return;
    Atomics.store(words, word.wanted, Math.max(words[word.fewest]!, Atomics.load(words, word.wanted) - spare));
  }

  /** Takes one from a count, if there is one. */
  #take(at: number): boolean {
    const words = this.#words;
    for (let count = Atomics.load(words, at); count > 0; ) {
      const seen = Atomics.compareExchange(words, at, count, count - 1);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }
}
