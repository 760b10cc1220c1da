// One fsync for everybody who waits: "make everything up to here durable", shared by all threads.
//
// `appended` counts what was written, `synced` what is known to be on disk. Whoever gets the lock syncs for all who
// wrote before it looked; those who come after find their part done.

import { lock, unlock } from '../../pending/mutex.js';
import { failedBefore } from '../diff/failed-sync.js';
import { control } from '../shared/shared-state.js';

export interface SyncWords {
  readonly appended: number;
  readonly synced: number;
  readonly lock: number;
  /** set for good once a sync has failed */
  readonly failed: number;
}

/** The journal's records, and the names of objects. */
export const journalWords: SyncWords = {
  appended: control.journalAppended,
  synced: control.journalSynced,
  lock: control.journalLock,
  failed: control.journalFailed,
};
export const objectsWords: SyncWords = {
  appended: control.objectsCreated,
  synced: control.objectsSynced,
  lock: control.objectsLock,
  failed: control.objectsFailed,
};

/**
 * Returns when everything counted in `appended` at the call is on disk. Throws what `sync` throws, and after a failure
 * `diff_sync_failed` for ever: the kernel forgets which pages it could not write, so a later success would prove nothing.
 */
export function syncUpToNow(words: Int32Array, at: SyncWords, sync: () => void): void {
  const target = Atomics.load(words, at.appended);
  if (isDone(words, at, target)) return;
  lock(words, at.lock);
  try {
    if (isDone(words, at, target)) return;
    if (Atomics.load(words, at.failed) !== 0) throw failedBefore('the diff');
    const covered = Atomics.load(words, at.appended);
    try {
      sync();
    } catch (error) {
      Atomics.store(words, at.failed, 1);
      throw error;
    }
    advance(words, at.synced, covered);
  } finally {
    unlock(words, at.lock);
  }
}

/**
 * The same without waiting: `sync` starts and reports its end. Nobody is held up by it, neither those who append nor
 * those who sync for themselves meanwhile.
 * @returns whether it was started: not when there is nothing to do or a sync has failed before
 */
export function syncInBackground(
  words: Int32Array,
  at: SyncWords,
  sync: (ended: (error: Error | null) => void) => void,
): boolean {
  const covered = Atomics.load(words, at.appended);
  if (isDone(words, at, covered) || Atomics.load(words, at.failed) !== 0) return false;
  sync((error) => {
    if (error !== null) Atomics.store(words, at.failed, 1);
    // A rewrite of the journal may have failed meanwhile, and with it the proof that this was the right file.
    else if (Atomics.load(words, at.failed) === 0) advance(words, at.synced, covered);
  });
  return true;
}

/** Raises a counter that others may have raised further. */
function advance(words: Int32Array, at: number, to: number): void {
  for (let now = Atomics.load(words, at); ((to - now) | 0) > 0; ) {
    const seen = Atomics.compareExchange(words, at, now, to);
    if (seen === now) return;
    now = seen;
  }
}

function isDone(words: Int32Array, at: SyncWords, target: number): boolean {
  return ((target - Atomics.load(words, at.synced)) | 0) <= 0;
}
