// `pbkfs show -i`: all that is known of one backup, and what recovery of it can reach.

import { type BackupInfo, type Catalog, externalDirectories } from '../backup/index.js';
import { formatLsn, isoTime, reachOf, reachText, type TimelineReach } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import type { ShownBackup } from './show-data.js';
import { formatBytes, renderTable } from './text-table.js';

/** The range of targets along one timeline; all null but `fault` where its WAL cannot be read. */
export interface ShownReach {
  readonly timeline: number;
  readonly fromTime: string | null;
  /** A target time must lie before it: when the last transaction in the WAL ended. */
  readonly beforeTime: string | null;
  readonly fromLsn: string | null;
  readonly toLsn: string | null;
  /** A missing segment behind which WAL goes on. */
  readonly gap: string | null;
  readonly fault: string | null;
}

export interface OneBackup extends ShownBackup {
  readonly externalDirectories: readonly string[];
  /** Its own timeline first. */
  readonly recovery: readonly ShownReach[];
}

/** Reads the WAL at the end of each timeline. @param shown what the list of backups says of it */
export function describeOne(catalog: Catalog, instance: string, backup: BackupInfo, shown: ShownBackup): OneBackup {
  return {
    ...shown,
    externalDirectories: externalDirectories(backup),
    recovery: reaches(catalog, instance, backup).map(shownReach),
  };
}

/** Text with a newline at its end. */
export function renderBackup(catalog: Catalog, instance: string, backup: BackupInfo, shown: ShownBackup): string {
  const outside = externalDirectories(backup);
  const { mode, stream, startTime, endTime, recoveryTime, startLsn, stopLsn, serverVersion, programVersion } = shown;
  const wal = stream ? `STREAM (${formatBytes(shown.walBytes)} in the backup)` : 'ARCHIVE';
  const rows: string[][] = [
    ['backup', `${shown.id} of instance ${instance}: ${mode ?? '?'}, ${shown.status}`],
    ['mountable', shown.mountable ? 'yes' : `no: ${shown.reason}`],
    ...(shown.hint === null ? [] : [['hint', shown.hint]]),
    ['chain', shown.chain.join(', ')],
    ['made', `${startTime ?? '?'} to ${endTime ?? '?'}`],
    ['consistent', recoveryTime === null ? '?' : `from ${recoveryTime} on`],
    ['WAL', `${wal}, ${startLsn ?? '?'} to ${stopLsn ?? '?'}, timeline ${shown.timeline ?? '?'}`],
    ['made by', `pg_probackup ${programVersion ?? '?'}, of PostgreSQL ${serverVersion ?? '?'}`],
    [
      'stored',
      `${formatBytes(shown.dataBytes)} (${shown.compressAlg ?? 'none'}), of ${formatBytes(shown.pgdataBytes)}`,
    ],
    ...(outside.length === 0 ? [] : [['not mounted', `external directories: ${outside.join(', ')}`]]),
    ...(shown.note === null ? [] : [['note', shown.note]]),
    ...shown.warnings.map((warning) => ['warning', warning]),
    ...reaches(catalog, instance, backup).map((reach) => [`timeline ${reach.timeline}`, reachable(reach)]),
  ];
  return renderTable(rows);
}

function reachable(reach: TimelineReach): string {
  if ('fault' in reach) return `its WAL cannot be read: ${reach.fault.message}`;
  const missing = reach.gap === undefined ? '' : `; ${reach.gap}`;
  return reach.lastLsn === undefined ? `${NEEDED_IS_MISSING}${missing}` : `recovery to ${reachText(reach)}${missing}`;
}

const NEEDED_IS_MISSING = 'WAL that the backup itself needs is missing';

/** None for a backup that does not say which WAL it needs. */
function reaches(catalog: Catalog, instance: string, backup: BackupInfo): TimelineReach[] {
  try {
    return reachOf(catalog, instance, backup);
  } catch (error) {
    if (error instanceof PbkfsError) return [];
    throw error;
  }
}

function shownReach(reach: TimelineReach): ShownReach {
  const { timeline } = reach;
  const nothing = { timeline, fromTime: null, beforeTime: null, fromLsn: null, toLsn: null, gap: null };
  if ('fault' in reach) return { ...nothing, fault: reach.fault.message };
  const { firstLsn, firstTime, lastLsn, lastTime, gap = null } = reach;
  if (lastLsn === undefined) return { ...nothing, gap, fault: NEEDED_IS_MISSING };
  return {
    timeline,
    fromTime: firstTime === undefined ? null : isoTime(firstTime),
    beforeTime: lastTime === undefined ? null : isoTime(lastTime),
    fromLsn: formatLsn(firstLsn),
    toLsn: formatLsn(lastLsn),
    gap,
    fault: null,
  };
}
