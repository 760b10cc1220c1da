// Every interleaving of a few threads on a barrier and on a lock, atomic step by atomic step: no deadlock, no lost
// wake-up, the promised order. The steps are those of src/pending, written down once more as small programs.

import t from 'tap';
import { visitStates } from '../support/visit-states.js';

interface State {
  /** the shared words */
  words: number[];
  /** per thread: program counter, registers; asleep on a word or not */
  threads: { at: number; registers: number[]; asleepOn: number }[];
  /** what happened, as far as the property needs it */
  trace: number[];
}

/** One atomic step: changes the state, sets the next program counter; DONE ends the thread. */
type Step = (state: State, self: number) => void;

const DONE = -1;
const ISSUED = 0;
const COMPLETED = 1;
const WAITERS = 2;

/** takeTicket, waitForTurn, the mutation itself, completeTicket. Registers: target, completed as seen. */
const mutation: Step[] = [
  (s, i) => go(s, i, 1, () => [s.words[ISSUED]++, 0]),
  ...waiting(1, 5),
  (s, i) => go(s, i, 6, undefined, () => s.trace.push(s.threads[i].registers[0])),
  (s, i) => go(s, i, 7, undefined, () => (s.words[COMPLETED] = s.threads[i].registers[0] + 1)),
  (s, i) => go(s, i, s.words[WAITERS] === 0 ? DONE : 8),
  (s, i) => go(s, i, DONE, undefined, () => wakeAll(s, COMPLETED)),
];

/** waitForEarlierMutations; at the end everything issued before must have run. */
const reader: Step[] = [
  (s, i) => go(s, i, 1, () => [s.words[ISSUED], 0]),
  ...waiting(1, 5),
  (s, i) =>
    go(s, i, DONE, undefined, () => {
      if (s.trace.length < s.threads[i].registers[0]) throw new Error('a reader was let through early');
    }),
];

/** The loop of waitUntilCompleted at program counters first..first+3; leaves for `next`. */
function waiting(first: number, next: number): Step[] {
  return [
    (s, i) => {
      const seen = s.words[COMPLETED];
      const { registers } = s.threads[i];
      go(s, i, seen >= registers[0] ? next : first + 1, () => [registers[0], seen]);
    },
    (s, i) => go(s, i, first + 2, undefined, () => s.words[WAITERS]++),
    // Atomics.wait: comparing and falling asleep are one step.
    (s, i) => {
      if (s.words[COMPLETED] === s.threads[i].registers[1]) s.threads[i].asleepOn = COMPLETED;
      go(s, i, first + 3);
    },
    (s, i) => go(s, i, first, undefined, () => s.words[WAITERS]--),
  ];
}

/** lock, critical section, unlock; registers: what exchange returned. Word 0 is the lock, word 1 who is inside. */
const locking: Step[] = [
  (s, i) => {
    const free = s.words[0] === 0;
    if (free) s.words[0] = 1;
    go(s, i, free ? 3 : 1);
  },
  (s, i) => {
    const seen = s.words[0];
    s.words[0] = 2;
    go(s, i, seen === 0 ? 3 : 2);
  },
  (s, i) => {
    if (s.words[0] === 2) s.threads[i].asleepOn = 0;
    go(s, i, 1);
  },
  (s, i) =>
    go(s, i, 4, undefined, () => {
      if (s.words[1]++ !== 0) throw new Error('two threads hold the lock');
    }),
  (s, i) => go(s, i, 5, undefined, () => s.words[1]--),
  (s, i) => {
    const seen = s.words[0];
    s.words[0] = 0;
    go(s, i, seen === 2 ? 6 : DONE);
  },
  (s, i) => go(s, i, DONE, undefined, () => wakeOne(s, 0)),
];

function go(state: State, self: number, next: number, registers?: () => number[], effect?: () => unknown): void {
  effect?.();
  if (registers !== undefined) state.threads[self].registers = registers();
  state.threads[self].at = next;
}

function wakeAll(state: State, word: number): void {
  for (const thread of state.threads) if (thread.asleepOn === word) thread.asleepOn = -1;
}

/** Atomics.notify wakes the one that slept first; any of them is taken here through the order of threads. */
function wakeOne(state: State, word: number): void {
  const thread = state.threads.find(({ asleepOn }) => asleepOn === word);
  if (thread !== undefined) thread.asleepOn = -1;
}

/** Visits every reachable state; returns how many there are. Throws on a deadlock or a broken property. */
function explore(programs: readonly Step[][], atEnd: (state: State) => void): number {
  const start: State = {
    words: [0, 0, 0],
    threads: programs.map(() => ({ at: 0, registers: [], asleepOn: -1 })),
    trace: [],
  };
  return visitStates(start, (state, key) => {
    const next: State[] = [];
    for (const [i, thread] of state.threads.entries()) {
      if (thread.at === DONE || thread.asleepOn >= 0) continue;
      const moved = structuredClone(state);
      programs[i][thread.at](moved, i);
      next.push(moved);
    }
    if (next.length > 0) return next;
    if (state.threads.some(({ at }) => at !== DONE)) throw new Error(`somebody sleeps for ever: ${key}`);
    atEnd(state);
    return next;
  });
}

function inOrder({ trace, words }: State): void {
  if (trace.some((ticket, i) => ticket !== i)) throw new Error(`order of mutations: ${trace.join()}`);
  if (words[WAITERS] !== 0) throw new Error('somebody still counts as waiting');
}

t.test('mutations and readers: order kept, no early reader, nobody sleeps for ever', async (t) => {
  for (const programs of [
    [mutation, mutation],
    [mutation, mutation, mutation],
    [mutation, reader],
    [mutation, mutation, reader],
    [mutation, reader, reader],
  ]) {
    const states = explore(programs, inOrder);
    t.ok(states > 20, `${programs.length} threads: ${states} states`);
  }
});

t.test('the lock: one at a time, nobody sleeps for ever', async (t) => {
  for (const count of [2, 3, 4]) {
    const states = explore(
      Array.from({ length: count }, () => locking),
      () => undefined,
    );
    t.ok(states > 10, `${count} threads: ${states} states`);
  }
});

t.test('the model finds faults: a wake-up without the waiter count, a check before it', async (t) => {
  const hasty: Step[] = [...reader];
  // Sleeping without comparing is how wake-ups get lost.
  hasty[3] = (s, i) => {
    s.threads[i].asleepOn = COMPLETED;
    go(s, i, 4);
  };
  t.throws(() => explore([mutation, hasty], inOrder), { message: /sleeps for ever/ });
  const impatient: Step[] = [...mutation];
  impatient[1] = (s, i) => go(s, i, 5);
  t.throws(() => explore([impatient, impatient], inOrder), { message: /order of mutations/ });
});
