// Looks through the WAL that a server would replay for what must not happen unseen: CREATE TABLESPACE changes the mode
// of the original directory and makes one in it, at its absolute path, production's or not.

import type { BackupInfo, Catalog } from '../backup/index.js';
import { type RecoveryTarget, type TimelineTarget, type WalEvent, WalPath } from '../backup/wal/index.js';
import { segmentName } from '../backup/wal/lsn.js';
import { PbkfsError } from '../errors.js';
import { MOUNT_RESTORE_COMMAND } from '../postgres/recovery-config.js';
import type { CreatedTablespace } from './tablespaces.js';

export interface Replay {
  /** Gives exactly the WAL that was looked at: the archive may grow meanwhile. */
  readonly restoreCommand: string;
  /** CREATE TABLESPACE in it. */
  readonly tablespaces: readonly CreatedTablespace[];
  /** CREATE TABLESPACE in it without a path: a directory of pg_tblspc itself (allow_in_place_tablespaces). */
  readonly inPlace: boolean;
  /** Where recovery ends although the archive goes on: at a missing segment. For people. */
  readonly gap: string | undefined;
}

/**
 * Reads the WAL from the backup's start to the target.
 * @param recovers undefined: only what a STREAM backup replays by itself, up to its stop-lsn
 * @param progress number of segments read
 * @throws PbkfsError wal_damaged, target_unreachable
 */
export function checkReplay(
  catalog: Catalog,
  instance: string,
  backup: BackupInfo,
  recovery: { readonly target: RecoveryTarget; readonly timeline: TimelineTarget } | undefined,
  progress: (segments: number) => void,
): Replay {
  const path = new WalPath(catalog, instance, backup, recovery?.timeline ?? 'current');
  let read = 0;
  let last = Math.floor(path.start / path.segmentSize);
  const seen = (number: number): void => {
    last = number;
    progress(++read);
  };
  const tablespaces: CreatedTablespace[] = [];
  let inPlace = false;
  for (const event of path.events(seen)) {
    if (isBehind(event, recovery?.target, path.consistent)) break;
    if (event.kind !== 'tablespace') continue;
    if (event.path === '') inPlace = true;
    else tablespaces.push(event);
  }
  const { fault } = path;
  // Where the last segment breaks off, WAL may simply end; before that, recovery would end early and quietly.
  if (fault !== undefined && fault.segment < path.lastSegment()) {
    throw new PbkfsError('wal_damaged', `${path.nameOf(fault.segment)}: ${fault.message}`, {
      hint: `the archive goes on to ${path.nameOf(path.lastSegment())}, and recovery would end before it: restore the segment from a copy, or choose a target before that position`,
    });
  }
  const bound = segmentName(0, last, path.segmentSize).slice(8);
  const restoreCommand = `f=%f; [ "\${f#????????}" \\> ${bound} ] && exit 1; ${MOUNT_RESTORE_COMMAND}`;
  // Any other target that lies behind it is refused.
  const gap = recovery?.target.kind === 'latest' ? path.gap() : undefined;
  return { restoreCommand, tablespaces, inPlace, gap };
}

/** Whether recovery has stopped before this event, for certain. */
function isBehind(event: WalEvent, target: RecoveryTarget | undefined, consistent: number): boolean {
  if (event.lsn < consistent) return false;
  switch (target?.kind) {
    case undefined:
    case 'immediate':
      return true;
    case 'lsn':
      return event.lsn > target.lsn;
    case 'time':
      return (
        (event.kind === 'commit' || event.kind === 'abort' || event.kind === 'prepared-end') && event.time > target.time
      );
    // Of these the event itself is the target; what comes behind it is read for nothing.
    default:
      return false;
  }
}
