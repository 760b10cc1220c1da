// What fsck tells of a diff, as data: the shape of its JSON.

/**
 * `durable`: nothing to do. `complete`: durable, and every block of the backup's file replaced. `unsynced`: written by a
 * mount that was killed; counts, and the next mount makes it durable. `never durable`: written without a sync before the
 * host lost its cache; the next mount leaves it out. `damaged`: what was durable is broken.
 */
export type ObjectState = 'durable' | 'complete' | 'unsynced' | 'never durable' | 'damaged';

export interface ObjectReport {
  readonly objectId: string;
  /** A name of the file on the mount, or in the backup; a byte string (latin1). */
  readonly path: string;
  /** Changed blocks of a file of the backup, or a file of the diff's own. */
  readonly kind: 'blocks' | 'file';
  readonly state: ObjectState;
  /** Logical length in bytes. */
  readonly length: number;
  /** Disk space of object and map. */
  readonly bytesOnDisk: number;
  /** Blocks of the backup that are replaced; only for `blocks`. */
  readonly blocks?: number;
  /** What is wrong. */
  readonly message?: string;
}

export interface JournalReport {
  readonly records: number;
  readonly bytes: number;
  /** Bytes behind the last whole record, left by a kill or power cut. */
  readonly tornBytes: number;
  /** Everything was synced and the journal compacted when the last mount ended. */
  readonly closedCleanly: boolean;
  /** The host was restarted since the last mount began: only what was synced counts. */
  readonly cacheWasLost: boolean;
}

export interface DiffReport {
  readonly journal: JournalReport | null;
  readonly objects: readonly ObjectReport[];
  /** Objects that no name leads to: left by creations and removals that were cut off. */
  readonly orphans: readonly { readonly objectId: string; readonly bytesOnDisk: number }[];
  /** What the diff changes in the tree of names. */
  readonly names: { readonly added: number; readonly hidden: number };
  /** What is broken; empty for a sound diff. */
  readonly damage: readonly string[];
}
