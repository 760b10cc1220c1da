// Where recovery of a backup can be asked to stop, by the WAL that there is.

import { PbkfsError } from '../../errors.js';
import type { Catalog } from '../catalog.js';
import type { BackupInfo } from '../types.js';
import { formatLsn, type Lsn } from './lsn.js';
import { formatTime } from './time-text.js';
import { WalPath } from './wal-path.js';

/** What can be reached along one timeline. */
export interface Reach {
  readonly timeline: number;
  /** Where the backup is consistent, and when (µs since 1970; undefined where backup.control does not say). */
  readonly firstLsn: Lsn;
  readonly firstTime: number | undefined;
  /** Where the last whole record begins; undefined where not even the backup can be made consistent. */
  readonly lastLsn: Lsn | undefined;
  /** When the last transaction ended (µs since 1970), before which a target time must lie; undefined when none did since. */
  readonly lastTime: number | undefined;
}

/** Looks at the last segments only. @throws PbkfsError wal_damaged */
export function reachAlong(path: WalPath, backup: BackupInfo): Reach {
  const { lastRecord, lastTime } = path.end();
  const consistent = lastRecord !== undefined && lastRecord >= lastNeeded(path);
  const firstTime = backup.recoveryTime === undefined ? undefined : backup.recoveryTime * 1e6;
  const later = lastTime !== undefined && lastTime >= (firstTime ?? 0);
  return {
    timeline: path.timeline,
    firstLsn: path.consistent,
    firstTime,
    lastLsn: consistent ? lastRecord : undefined,
    lastTime: consistent && later ? lastTime : undefined,
  };
}

/** What a timeline's WAL allows, or why that cannot be said. `gap`, for people: a missing segment behind which WAL goes on. */
export type TimelineReach =
  | (Reach & { readonly gap: string | undefined })
  | { readonly timeline: number; readonly fault: PbkfsError };

/** All timelines that recovery of a backup can follow, its own one first. @throws PbkfsError backup_damaged without LSNs */
export function reachOf(catalog: Catalog, instance: string, backup: BackupInfo): TimelineReach[] {
  const own = new WalPath(catalog, instance, backup, 'current');
  return [own.timeline, ...own.otherTimelines()].map((timeline) => {
    try {
      const path = new WalPath(catalog, instance, backup, timeline);
      return { ...reachAlong(path, backup), gap: path.gap() };
    } catch (fault) {
      if (fault instanceof PbkfsError) return { timeline, fault };
      throw fault;
    }
  });
}

/** For people: times and LSNs. */
export function reachText({ firstLsn, firstTime, lastLsn, lastTime }: Reach): string {
  if (lastLsn === undefined) return 'nothing';
  const lsns = `LSNs from ${formatLsn(firstLsn)} to ${formatLsn(lastLsn)}`;
  if (lastTime === undefined) return `${lsns}; no transaction ended in that WAL`;
  const first = firstTime === undefined ? '' : `from ${formatTime(firstTime)} on `;
  return `times ${first}before ${formatTime(lastTime)}, ${lsns}`;
}

/** A stop-lsn at a segment's very start needs nothing of it; the last record needed begins before the stop-lsn. */
function lastNeeded(path: WalPath): Lsn {
  return Math.floor((path.consistent - 1) / path.segmentSize) * path.segmentSize;
}
