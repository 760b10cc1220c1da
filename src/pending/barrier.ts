// Per-inode sequence barriers in shared memory: FIFO for mutations, readers wait for what arrived before them.
//
//   word 0  issued      tickets handed out so far        (both counters wrap at 2^32;
//   word 1  completed   mutations finished so far          comparisons use the signed difference)
//   word 2  waiters     threads asleep on `completed`; lets completion skip the wake-up call
//
// A mutation holds ticket t = issued++ and runs when completed == t. A reader remembers s = issued and waits until
// completed has reached s; tickets issued later do not hold it up. Nothing here spins: sleeping is Atomics.wait on
// `completed`, and the waiter count is raised before the value is compared inside Atomics.wait, so that a completion
// between the check and the sleep is either seen by the comparison or finds waiters > 0.

const ISSUED = 0;
const COMPLETED = 1;
const WAITERS = 2;

/** Number of 32-bit words one barrier occupies. */
export const BARRIER_WORDS = 3;

/** A mutation's place in its inode's queue. */
export type Ticket = number & { readonly __brand?: 'Ticket' };

/** Takes the next place in the queue of the barrier at word index `at`. Every ticket must be completed. */
export function takeTicket(words: Int32Array, at: number): Ticket {
  return Atomics.add(words, at + ISSUED, 1);
}

/** Sleeps until every earlier ticket is complete. */
export function waitForTurn(words: Int32Array, at: number, ticket: Ticket): void {
  waitUntilCompleted(words, at, ticket);
}

/** Ends a mutation, also a failed or interrupted one, and wakes whoever waits for it. */
export function completeTicket(words: Int32Array, at: number, ticket: Ticket): void {
  Atomics.store(words, at + COMPLETED, (ticket + 1) | 0);
  if (Atomics.load(words, at + WAITERS) !== 0) Atomics.notify(words, at + COMPLETED);
}

/** Sleeps until every mutation that had arrived before this call is complete. */
export function waitForEarlierMutations(words: Int32Array, at: number): void {
  waitUntilCompleted(words, at, Atomics.load(words, at + ISSUED));
}

/** Runs `mutate` in its turn. The ticket is completed whatever happens. */
export function inTurn<T>(words: Int32Array, at: number, mutate: () => T): T {
  const ticket = takeTicket(words, at);
  waitForTurn(words, at, ticket);
  try {
    return mutate();
  } finally {
    completeTicket(words, at, ticket);
  }
}

/** Mutations that hold a ticket and are not complete. */
export function pendingMutations(words: Int32Array, at: number): number {
  // In this order: a mutation that comes and goes between the two loads must not make the count negative.
  const completed = Atomics.load(words, at + COMPLETED);
  return (Atomics.load(words, at + ISSUED) - completed) | 0;
}

function waitUntilCompleted(words: Int32Array, at: number, target: number): void {
  for (;;) {
    const completed = Atomics.load(words, at + COMPLETED);
    if (((target - completed) | 0) <= 0) return;
    Atomics.add(words, at + WAITERS, 1);
    Atomics.wait(words, at + COMPLETED, completed);
    Atomics.sub(words, at + WAITERS, 1);
  }
}
