// How the last mount of a diff ended, by what its journal says.

import type { JournalRecord } from './namespace/records.js';

export interface LastEnding {
  /** everything was synced, and the journal is the whole truth */
  readonly cleanlyClosed: boolean;
  /** the record of an object may have reached the disk, and the object, never synced, not */
  readonly cacheWasLost: boolean;
}

export const CLEAN: LastEnding = { cleanlyClosed: true, cacheWasLost: false };

/**
 * @param bootId of the host now: the page cache lives as long
 * @param afterPowerLoss un-synced data may be gone although the host has not been restarted
 */
export function lastEnding(records: readonly JournalRecord[], bootId: string, afterPowerLoss = false): LastEnding {
  if (records.length === 0 || records.at(-1)!.changes.some((change) => change[0] === 'clean')) return CLEAN;
  const opened = records.flatMap((record) => record.changes).findLast((change) => change[0] === 'opened');
  return { cleanlyClosed: false, cacheWasLost: afterPowerLoss || opened?.[1] !== bootId };
}
