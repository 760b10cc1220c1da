// Every interleaving of a few data threads and requests over the handover queue, atomic step by atomic step: no request
// is lost, none is served twice, and while others serve, however long that takes, one thread reads, although those who
// are not needed rest. The steps are those of src/fs/reader-loop.ts, handover-queue.ts and resting-readers.ts, written
// down once more as a small program.

import t from 'tap';
import { visitStates } from '../support/visit-states.js';

interface State {
  /** requests the device still has, entries of the queue, requests served */
  device: number;
  waiting: number;
  served: number;
  readers: number;
  serving: number;
  /** threads that sleep or are about to, and how many of them were told to wake */
  parked: number;
  tokens: number;
  /** the thread that holds the lock, or -1 */
  lock: number;
  threads: { at: Place; seen: number }[];
}

type Place =
  | 'enough'
  | 'park'
  | 'look for readers'
  | 'look for requests'
  | 'unpark'
  | 'sleep'
  | 'look'
  | 'become a reader'
  | 'lock to enter'
  | 'load readers'
  | 'decide'
  | 'took'
  | 'unlock to serve'
  | 'unlock to read'
  | 'read'
  | 'begin'
  | 'leave'
  | 'wake'
  | 'token'
  | 'lock to push'
  | 'push'
  | 'end'
  | 'serve';

interface Variant {
  /** the last reader looks for somebody serving without the lock */
  hasty?: boolean;
  /** a thread stops counting as a reader before it counts as serving */
  late?: boolean;
  /** who enters takes what is there, whether or not somebody reads */
  greedy?: boolean;
  /** so many readers are enough, the others rest; none does where it is missing */
  enough?: number;
  /** a thread lies down without looking once more */
  drowsy?: boolean;
  /** a thread that takes itself off the list does not mind whether it was on it */
  rude?: boolean;
}

/** The step of a thread at its place; null: it has to wait. */
function step(state: State, self: number, variant: Variant): State | null {
  const next: State = { ...state, threads: state.threads.map((thread) => ({ ...thread })) };
  const thread = next.threads[self];
  const go = (at: Place): State => {
    thread.at = at;
    return next;
  };
  switch (thread.at) {
    case 'enough':
      return go(state.waiting === 0 && state.readers >= (variant.enough ?? Infinity) ? 'park' : 'look');
    case 'park':
      next.parked++;
      return go(variant.drowsy ? 'sleep' : 'look for readers');
    case 'look for readers':
      return go(state.readers === 0 ? 'unpark' : 'look for requests');
    case 'look for requests':
      return go(state.waiting > 0 ? 'unpark' : 'sleep');
    case 'unpark':
      if (state.parked === 0 && !variant.rude) return go('sleep');
      next.parked--;
      return go('look');
    case 'sleep':
      if (state.tokens === 0) return null;
      next.tokens--;
      return go('look');
    case 'look':
      return go(state.waiting === 0 ? 'become a reader' : 'lock to enter');
    case 'become a reader':
      next.readers++;
      return go('read');
    case 'lock to enter':
      if (state.lock >= 0) return null;
      next.lock = self;
      return go('load readers');
    case 'load readers':
      thread.seen = state.readers;
      return go('decide');
    case 'decide': {
      const mustRead = thread.seen === 0 && state.serving > 0 && variant.greedy !== true;
      if (state.waiting > 0 && !mustRead) {
        next.waiting--;
        return go('took');
      }
      next.readers++;
      return go('unlock to read');
    }
    case 'took':
      next.serving++;
      return go('unlock to serve');
    case 'unlock to serve':
      next.lock = -1;
      return go('serve');
    case 'unlock to read':
      next.lock = -1;
      return go('read');
    case 'read':
      if (state.device === 0) return null;
      next.device--;
      return go(variant.late ? 'leave' : 'begin');
    case 'begin':
      next.serving++;
      if (!variant.late) return go('leave');
      return go(thread.seen === 0 ? 'lock to push' : 'serve');
    case 'leave':
      next.readers--;
      thread.seen = next.readers;
      if (variant.late) return go('begin');
      return go(thread.seen === 0 ? 'wake' : 'serve');
    case 'wake':
      if (state.parked <= 0) return go('lock to push');
      next.parked--;
      return go('token');
    case 'token':
      next.tokens++;
      return go('serve');
    case 'lock to push':
      if (variant.hasty) {
        if (state.serving <= 1) return go('serve');
        next.waiting++;
        return go('end');
      }
      if (state.lock >= 0) return null;
      next.lock = self;
      return go('push');
    case 'push': {
      const accepted = state.serving > 1;
      if (accepted) next.waiting++;
      next.lock = -1;
      return go(accepted ? 'end' : 'serve');
    }
    case 'serve':
      next.served++;
      return go('end');
    case 'end':
      next.serving--;
      return go('enough');
  }
}

/** Threads are alike: their order does not matter. */
function keyOf({ lock, threads, ...rest }: State): string {
  return JSON.stringify([rest, threads.map(({ at, seen }, i) => `${at} ${seen} ${i === lock}`).sort()]);
}

/** Visits every reachable state; returns how many there are. Throws on a broken promise. */
function explore(threads: number, requests: number, variant: Variant = {}): number {
  const start: State = {
    device: requests,
    waiting: 0,
    served: 0,
    readers: 0,
    serving: 0,
    parked: 0,
    tokens: 0,
    lock: -1,
    threads: Array.from({ length: threads }, () => ({ at: 'enough' as const, seen: 0 })),
  };
  const after = (state: State, key: string): State[] => {
    const reads = state.threads.some(({ at }) => at === 'read');
    let quick = false;
    const next: State[] = [];
    for (const [i, { at }] of state.threads.entries()) {
      const moved = step(state, i, variant);
      if (moved === null) continue;
      if (at !== 'serve') quick = true;
      next.push(moved);
    }
    const moves = next.length > 0;
    if (moves && !quick && !reads) throw new Error(`everybody serves and nobody reads: ${key}`);
    if (!moves && state.served !== requests) throw new Error(`lost: ${key}`);
    if (state.parked < 0) throw new Error(`more were woken than slept: ${key}`);
    if (!moves && !reads) throw new Error(`nobody reads any more: ${key}`);
    return next;
  };
  return visitStates(start, after, keyOf);
}

t.test('nothing is lost, and one thread reads while the others serve', async (t) => {
  for (const [threads, requests] of [
    [2, 3],
    [2, 4],
    [3, 3],
    [3, 4],
  ] as const) {
    t.ok(explore(threads, requests) > 100, `${threads} threads, ${requests} requests`);
  }
});

t.test('those who are not needed rest, and one of them comes when the last reader leaves', async (t) => {
  for (const [threads, requests, enough] of [
    [2, 4, 1],
    [3, 3, 1],
    [3, 4, 2],
    [4, 3, 2],
  ] as const) {
    t.ok(explore(threads, requests, { enough }) > 100, `${threads} threads, ${requests} requests, ${enough} read`);
  }
});

t.test('a single thread serves everything by itself', async (t) => {
  t.throws(() => explore(1, 2), { message: /nobody reads/ }, 'it cannot do both');
});

t.test('the model finds faults', async (t) => {
  t.throws(() => explore(2, 4, { hasty: true }), { message: /nobody reads/ }, 'push without the lock');
  t.throws(() => explore(3, 4, { late: true }), { message: /nobody reads/ }, 'readers - 1 before serving + 1');
  t.throws(() => explore(3, 4, { greedy: true }), { message: /nobody reads/ }, 'everybody takes');
  t.throws(() => explore(3, 4, { enough: 1, drowsy: true }), { message: /nobody reads/ }, 'no second look');
  t.throws(() => explore(3, 4, { enough: 1, rude: true }), { message: /more were woken/ }, 'off the list twice');
});
