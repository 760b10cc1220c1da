// The beginning of a diff, of which clean-end.ts is the end: what the last mount left is settled and made durable before
// anybody is served.

import type { BlockMaps } from './block-maps.js';
import { removeUnusedObjects } from './clean-end.js';
import type { Recovery } from './diff-recovery.js';
import { EndingWatch } from './last-ending.js';
import type { Namespace } from './namespace/namespace.js';
import type { ObjectKeeper } from './namespace/object-keeper.js';
import type { NoObjects } from './namespace/read-only.js';
import type { Change, JournalRecord } from './namespace/records.js';
import { settleObjects } from './settle-objects.js';
import type { SharedJournal } from './shared-journal.js';

/** What is settled. */
export interface FoundDiff {
  readonly namespace: Namespace;
  readonly objects: ObjectKeeper | NoObjects;
  readonly journal: SharedJournal;
  readonly recovery: Recovery;
  readonly maps: BlockMaps;
}

export interface SettleOptions {
  /** of the host now */
  readonly bootId: string;
  /** un-synced data may be gone although the host has not been restarted */
  readonly afterPowerLoss: boolean;
  /** that is so because a sync of an earlier mount has failed */
  readonly lostWrites: boolean;
  warn(message: string): void;
}

/**
 * Replays the journal, and brings objects and journal in order unless the last mount ended cleanly.
 * @param records of the journal, from its beginning
 * @param opened the last change of a journal that has to be written anew
 * @throws PbkfsError diff_damaged; the storage's error
 */
export function settleDiff(
  diff: FoundDiff,
  records: Iterable<JournalRecord>,
  opened: Change,
  { bootId, afterPowerLoss, lostWrites, warn }: SettleOptions,
): void {
  const { namespace, objects, journal, recovery, maps } = diff;
  const watch = new EndingWatch();
  namespace.replay(watch.pass(records));
  const ending = watch.ending(bootId, afterPowerLoss);
  if (lostWrites && !ending.cleanlyClosed) {
    warn('a sync of the diff had failed in an earlier mount: of files changed then, what was synced before counts');
  }
  settleObjects(namespace.withObjects(), ending, recovery, maps);
  if (!ending.cleanlyClosed) {
    objects.sync();
    // Not as a clean end, should this one fail: on a full disk a map may have stayed unsynced.
    const shortest = namespace.snapshot(opened);
    // What a power loss has cut off must be on record before anything is changed.
    if (ending.cacheWasLost) journal.rewrite(shortest);
    else journal.rewriteAsRoomAllows(shortest);
  }
  removeUnusedObjects(diff);
}
