// Looks through the WAL that a server would replay for what must not happen unseen: CREATE TABLESPACE changes the mode
// of the original directory and makes one in it, at its absolute path, production's or not; DROP DATABASE forbids
// connections first, then removes the database's files, and commits only then.

import type { BackupInfo, Catalog } from '../backup/index.js';
import {
  endsTransaction,
  type RecoveryTarget,
  type TimelineTarget,
  type WalEvent,
  WalPath,
} from '../backup/wal/index.js';
import { type Lsn, segmentName } from '../backup/wal/lsn.js';
import { PbkfsError } from '../errors.js';
import { MOUNT_RESTORE_COMMAND } from '../postgres/recovery-config.js';
import { DatabaseDrops, type EarlierTarget, type InvalidDatabase } from './database-drops.js';
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
  /** The target that keeps the database, with the same committed: at the target its DROP DATABASE was under way. */
  readonly beforeDrop: EarlierTarget | undefined;
  /** Databases that nobody can connect to at the target, since a DROP DATABASE has begun, in the order in which they did. */
  readonly invalid: readonly InvalidDatabase[];
}

/** Where recovery shall end. */
export interface ReplayTarget {
  readonly target: RecoveryTarget;
  readonly timeline: TimelineTarget;
  /** Missing: true. */
  readonly inclusive?: boolean;
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
  recovery: ReplayTarget | undefined,
  progress: (segments: number) => void,
): Replay {
  const path = new WalPath(catalog, instance, backup, recovery?.timeline ?? 'current');
  let read = 0;
  let last = Math.floor(path.start / path.segmentSize);
  const seen = (number: number): void => {
    last = number;
    progress(++read);
  };
  const created: CreatedTablespace[] = [];
  const drops = new DatabaseDrops(path.consistent);
  let reached = false;
  for (const event of path.events(seen)) {
    reached = isBehind(event, recovery, path.consistent);
    if (reached) break;
    if (event.kind === 'tablespace') created.push(event);
    drops.take(event);
    reached = event.lsn >= path.consistent && isTarget(event, recovery);
    if (reached) break;
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
  const kind = recovery?.target.kind;
  // The xid of a prepared transaction is not read: where recovery stops is not known then.
  const isKnown = kind !== 'xid' || reached;
  return {
    restoreCommand,
    tablespaces: created.filter(({ path }) => path !== ''),
    inPlace: created.some(({ path }) => path === ''),
    gap,
    beforeDrop: isKnown && (kind === 'time' || kind === 'xid' || kind === 'name') ? drops.beforeDrop : undefined,
    invalid: isKnown ? drops.invalid : [],
  };
}

/** Whether recovery has stopped before this event, for certain. */
function isBehind(event: WalEvent, recovery: ReplayTarget | undefined, consistent: Lsn): boolean {
  if (event.lsn < consistent) return false;
  const target = recovery?.target;
  switch (target?.kind) {
    case undefined:
    case 'immediate':
      return true;
    case 'lsn':
      return recovery?.inclusive === false ? event.lsn >= target.lsn : event.lsn > target.lsn;
    case 'time':
      if (!endsTransaction(event)) return false;
      return recovery?.inclusive === false ? event.time >= target.time : event.time > target.time;
    case 'xid':
      return recovery?.inclusive === false && endsXid(event, target.xid);
    default:
      return false;
  }
}

/** Whether recovery stops right after this event. A restore point is always passed. */
function isTarget(event: WalEvent, recovery: ReplayTarget | undefined): boolean {
  const target = recovery?.target;
  if (target?.kind === 'xid') return endsXid(event, target.xid);
  return target?.kind === 'name' && event.kind === 'restore-point' && event.name === target.name;
}

function endsXid(event: WalEvent, xid: number): boolean {
  return (event.kind === 'commit' || event.kind === 'abort') && event.xid === xid;
}
