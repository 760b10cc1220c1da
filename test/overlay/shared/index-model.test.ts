// Every interleaving of readers, evictors and the kernel's forgetting over one row's block index, atomic step by atomic
// step: nobody reads memory that was given back or belongs to another file, and nothing leaks. The steps are those of
// src/overlay/shared/index-cache.ts and src/overlay/data/shared-index.ts, written down once more as a small program.

import t from 'tap';
import { visitStates } from '../../support/visit-states.js';

type RowState = 'none' | 'building' | 'ready' | 'evicting';

interface Thread {
  at: Place;
  /** a reader: the file it reads; an evictor: reader whose word it looks at next */
  readonly file: number;
  looks: number;
  /** the piece of memory it uses or frees */
  piece: number;
  /** the state that it saw before it entered, in the variant that does so */
  early: boolean;
}

type Place =
  | 'enter'
  | 'load'
  | 'claim'
  | 'load place'
  | 'use'
  | 'allocate'
  | 'publish'
  | 'use own'
  | 'leave'
  | 'evict'
  | 'look'
  | 'free'
  | 'clear'
  | 'restore'
  | 'forget'
  | 'attach'
  | 'done';

interface State {
  row: RowState;
  place: number;
  /** for each piece of memory that was ever allocated: the file whose index it holds; 0: given back */
  pieces: number[];
  /** for each thread: whether it has entered the row */
  users: boolean[];
  /** the file that the row stands for */
  file: number;
  threads: Thread[];
}

interface Variant {
  /** an evictor looks for readers before it changes the state */
  hasty?: boolean;
  /** a reader loads the state before it enters */
  late?: boolean;
  /** the forgetting does not wait for an evictor */
  careless?: boolean;
}

/** The step of a thread; null: it has to wait. */
function step(state: State, self: number, variant: Variant): State | null {
  const next: State = {
    ...state,
    pieces: [...state.pieces],
    users: [...state.users],
    threads: state.threads.map((thread) => ({ ...thread })),
  };
  const thread = next.threads[self]!;
  const go = (at: Place): State => {
    thread.at = at;
    return next;
  };
  const mustOwn = (piece: number): void => {
    if (state.pieces[piece] !== thread.file) throw new Error(`file ${thread.file} reads ${state.pieces[piece]}`);
  };
  const readers = state.threads.filter(({ file }) => file > 0);
  switch (thread.at) {
    case 'enter':
      // A file's requests come while the row is that file's.
      if (state.file !== thread.file) return null;
      if (variant.late && !thread.early) {
        thread.early = true;
        thread.piece = state.row === 'ready' ? state.place : -1;
        return next;
      }
      next.users[self] = true;
      return go(variant.late && thread.piece >= 0 ? 'use' : 'load');
    case 'load':
      if (state.row === 'ready') return go('load place');
      return state.row === 'none' ? go('claim') : null;
    case 'claim':
      if (state.row !== 'none') return go('load');
      next.row = 'building';
      return go('allocate');
    case 'load place':
      thread.piece = state.place;
      return go('use');
    case 'allocate':
      thread.piece = state.pieces.length;
      next.pieces.push(thread.file);
      return go('publish');
    case 'publish':
      next.row = 'ready';
      next.place = thread.piece;
      return go('use own');
    case 'use':
    case 'use own':
      mustOwn(thread.piece);
      return go('leave');
    case 'leave':
      next.users[self] = false;
      return go('done');
    case 'evict':
      if (variant.hasty && thread.looks < state.users.length) {
        if (state.users[thread.looks]) return go('done');
        thread.looks++;
        return next;
      }
      if (state.row !== 'ready') return go('done');
      next.row = 'evicting';
      thread.looks = 0;
      return go(variant.hasty ? 'free' : 'look');
    case 'look':
      if (state.users[thread.looks]) return go('restore');
      thread.looks++;
      return go(thread.looks === state.users.length ? 'free' : 'look');
    case 'free':
      if (state.pieces[state.place] === 0) throw new Error('given back twice');
      next.pieces[state.place] = 0;
      return go('clear');
    case 'clear':
      next.row = 'none';
      return go('done');
    case 'restore':
      next.row = 'ready';
      return go('done');
    case 'forget': {
      // The kernel forgets a file when none of its requests is under way.
      if (readers.some(({ file, at }) => file === 1 && at !== 'done')) return null;
      if (state.row === 'evicting' && !variant.careless) return null;
      if (state.row === 'ready') next.pieces[state.place] = 0;
      if (state.row === 'ready') next.row = 'none';
      return go('attach');
    }
    case 'attach':
      next.row = 'none';
      next.file = 2;
      return go('done');
    case 'done':
      return null;
  }
}

/** Visits every reachable state; returns how many there are. Throws on a broken promise. */
function explore(first: number, second: number, evictors: number, variant: Variant = {}): number {
  const thread = (at: Place, file: number): Thread => ({ at, file, looks: 0, piece: -1, early: false });
  const threads = [
    ...Array.from({ length: first }, () => thread('enter', 1)),
    ...Array.from({ length: second }, () => thread('enter', 2)),
    ...Array.from({ length: evictors }, () => thread('evict', 0)),
    thread('forget', 0),
  ];
  const users = new Array<boolean>(first + second).fill(false);
  const start: State = { row: 'none', place: -1, pieces: [], users, file: 1, threads };
  return visitStates(start, (state, key) => {
    const next = threads.map((_, i) => step(state, i, variant)).filter((moved) => moved !== null);
    if (next.length > 0) return next;
    if (state.threads.some(({ at }) => at !== 'done')) throw new Error(`stuck: ${key}`);
    const kept = state.pieces.filter((file) => file !== 0).length;
    if (kept !== (state.row === 'ready' ? 1 : 0)) throw new Error(`leaked: ${key}`);
    return next;
  });
}

t.test('nobody reads what was given back, or another file’s index', async (t) => {
  for (const [first, second, evictors] of [
    [1, 1, 1],
    [2, 1, 1],
    [2, 1, 2],
    [1, 2, 2],
  ] as const) {
    t.ok(explore(first, second, evictors) > 50, `${first} + ${second} readers, ${evictors} evictors`);
  }
});

t.test('the model finds faults', async (t) => {
  t.throws(() => explore(2, 1, 1, { hasty: true }), { message: /reads 0/ }, 'looking before changing the state');
  t.throws(() => explore(2, 1, 1, { late: true }), { message: /reads 0/ }, 'loading the state before entering');
  t.throws(() => explore(1, 2, 1, { careless: true }), { message: /reads|twice|leaked|stuck/ }, 'not waiting');
});
