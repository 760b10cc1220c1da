// A mutual exclusion lock of one shared 32-bit word: 0 free, 1 held, 2 held and somebody sleeps.

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/** Takes the lock at word index `at`; sleeps while another thread has it. Not re-entrant. */
export function lock(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, FREE, HELD) === FREE) return;
  while (Atomics.exchange(words, at, CONTENDED) !== FREE) Atomics.wait(words, at, CONTENDED);
}

export function unlock(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, FREE) === CONTENDED) Atomics.notify(words, at, 1);
}

export function withLock<T>(words: Int32Array, at: number, run: () => T): T {
  lock(words, at);
  try {
    return run();
  } finally {
    unlock(words, at);
  }
}
