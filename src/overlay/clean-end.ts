// The clean end of a diff: everything durable, the journal in its shortest form, and no object that nobody needs.

import type { Recovery } from './diff-recovery.js';
import type { Namespace } from './namespace/namespace.js';
import type { ObjectKeeper } from './namespace/object-keeper.js';
import type { NoObjects } from './namespace/read-only.js';
import type { Change } from './namespace/records.js';
import type { SharedJournal } from './shared-journal.js';
import type { TransientWal } from './transient-wal.js';
import type { UnsyncedFiles } from './unsynced-files.js';

/** What is brought to its end. */
export interface EndingDiff {
  readonly namespace: Namespace;
  readonly objects: ObjectKeeper | NoObjects;
  readonly journal: SharedJournal;
  readonly unsynced: UnsyncedFiles;
  readonly recovery: Recovery;
  /** WAL that goes with the mount */
  readonly transientWal: TransientWal | null;
}

/**
 * No data thread runs any more, and no name changes.
 * @param ending the journal's last word
 * @throws the storage's error; the diff is then as a kill would leave it
 */
export function closeDiff(diff: EndingDiff, ending: Change): void {
  const { namespace, objects, journal, transientWal } = diff;
  journal.useSpare();
  const hasRoom = makeRoom(diff);
  syncAll(diff);
  transientWal?.drop(namespace.withObjects());
  journal.rewrite(namespace.snapshot(ending));
  if (!hasRoom || transientWal !== null) removeUnusedObjects(diff);
  journal.close();
  objects.close();
}

/** Removes what no name needs. The journal that says so must be durable. */
export function removeUnusedObjects({ namespace, objects }: Pick<EndingDiff, 'namespace' | 'objects'>): void {
  objects.removeUpTo(Number.POSITIVE_INFINITY);
  objects.removeUnused(new Set(namespace.withObjects().map((inode) => inode.objectId!)));
}

/**
 * Before anything is written: on a full disk what was removed is all the room there is.
 * @returns whether that could be done
 */
function makeRoom(diff: EndingDiff): boolean {
  try {
    diff.journal.sync();
  } catch {
    // A rewrite makes that good; until then no object may go.
    return false;
  }
  // The kernel need not forget unlinked inodes before it lets go of a mount.
  removeUnusedObjects(diff);
  return true;
}

/** @throws what failed first: the rest is synced all the same, and may fail for the same reason */
function syncAll({ objects, journal, unsynced, recovery }: EndingDiff): void {
  const failure = unsynced.syncAll(recovery);
  try {
    objects.sync();
    if (failure !== undefined) journal.sync();
  } catch (error) {
    throw failure ?? error;
  }
  if (failure !== undefined) throw failure;
}
