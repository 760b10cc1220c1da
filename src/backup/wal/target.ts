// Where recovery shall stop, and whether a backup with the WAL there is can be brought to that point.

import { PbkfsError } from '../../errors.js';
import type { Catalog } from '../catalog.js';
import type { BackupInfo } from '../types.js';
import { formatLsn, type Lsn } from './lsn.js';
import { reachAlong, reachText } from './reach.js';
import { endsTransaction } from './record-events.js';
import { formatTime } from './time-text.js';
import type { TimelineTarget } from './timelines.js';
import { WalPath } from './wal-path.js';

export type RecoveryTarget =
  /** As soon as the backup is consistent. */
  | { readonly kind: 'immediate' }
  /** All WAL there is, up to the first gap; `whole`: there must be none. */
  | { readonly kind: 'latest'; readonly whole?: true }
  /** µs since 1970. */
  | { readonly kind: 'time'; readonly time: number }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'xid'; readonly xid: number }
  | { readonly kind: 'name'; readonly name: string };

/**
 * Refuses what PostgreSQL would refuse after it has replayed everything: a target before the backup is consistent, or
 * behind the last WAL there is. Refuses the whole WAL, too, where the archive goes on behind a missing segment.
 * @param inclusive whether recovery goes past the target (PostgreSQL's default)
 * @throws PbkfsError target_unreachable naming the range that can be reached; wal_damaged
 */
export function checkTarget(
  catalog: Catalog,
  instance: string,
  backup: BackupInfo,
  target: RecoveryTarget,
  timeline: TimelineTarget,
  inclusive = true,
): void {
  const path = new WalPath(catalog, instance, backup, timeline);
  const reach = reachAlong(path, backup);
  const command = unusedCommand(catalog, instance);
  if (reach.lastLsn === undefined) throw walIsMissing(path, backup, command);
  const refuse: Refuse = (what, why, hint) => {
    throw new PbkfsError('target_unreachable', `backup ${backup.id} cannot be recovered to ${what}: ${why}`, { hint });
  };
  const range = (): string => {
    return `it can be recovered to ${reachText(reach)}${elsewhere(path)}${command}`;
  };
  const behindEnd = (what: string, why: string): never => {
    const missing = gap(path);
    return refuse(what, `${why}${missing}`, missing === '' ? `${range()}\n${NOT_ARCHIVED}` : range());
  };
  switch (target.kind) {
    case 'time': {
      const { firstTime, lastTime } = reach;
      const what = formatTime(target.time);
      if (firstTime !== undefined && target.time < firstTime)
        refuse(what, `it is consistent only from ${formatTime(firstTime)} on`, TOO_EARLY);
      const stop =
        firstTime !== undefined && target.time < firstTime + ROUNDED
          ? earlyStop(path, target.time, inclusive)
          : undefined;
      if (stop !== undefined)
        refuse(what, `recovery would end at a transaction of ${formatTime(stop)}, before it is consistent`, TOO_EARLY);
      const tooLate = lastTime === undefined || !isBehind(lastTime, target.time, inclusive);
      if (tooLate && !isPassed(path, target.time, inclusive))
        behindEnd(what, 'no later transaction is in the WAL that there is');
      break;
    }
    case 'lsn': {
      const what = formatLsn(target.lsn);
      if (target.lsn < path.consistent)
        refuse(what, `it is consistent only from ${formatLsn(path.consistent)} on`, TOO_EARLY);
      if (target.lsn > reach.lastLsn) behindEnd(what, 'the WAL that there is ends before');
      break;
    }
    case 'xid':
      findXid(path, target.xid, refuse, range);
      break;
    case 'name':
      findName(path, target.name, refuse, command);
      break;
    // The one target that PostgreSQL believes to have reached wherever the WAL ends.
    case 'latest': {
      const missing = target.whole ? gap(path) : '';
      if (missing !== '') refuse('the end of the WAL', `the archive has a gap${missing}`, range());
      break;
    }
  }
}

const TOO_EARLY = 'choose an older backup';

/** Recovery to a time needs the end of a later transaction, and the server archives whole segments. */
const NOT_ARCHIVED =
  'if the server still runs, its newest WAL may not be archived yet: there "select txid_current()", then "select pg_switch_wal()", and try again';

/** The end of a hint: WAL may lie where only a command of the catalog's owner finds it. */
function unusedCommand(catalog: Catalog, instance: string): string {
  if (catalog.config(instance).restoreCommand === undefined) return '';
  return `; the restore-command in pg_probackup.conf of ${instance} is not used: "pbkfs mount --restore-command" takes it`;
}

type Refuse = (what: string, why: string, hint: string) => never;

/** backup.control says in whole seconds when the backup is consistent. In µs. */
const ROUNDED = 1e6;

/** When the transaction ended before which recovery would stop while the backup is not consistent yet, if there is one. */
function earlyStop(path: WalPath, time: number, inclusive: boolean): number | undefined {
  for (const event of path.events()) {
    if (event.lsn >= path.consistent) return undefined;
    if (endsTransaction(event) && isBehind(event.time, time, inclusive)) return event.time;
  }
  return undefined;
}

/** Whether recovery to a time ends ahead of a transaction that ended then. */
function isBehind(ended: number, time: number, inclusive: boolean): boolean {
  return inclusive ? ended > time : ended >= time;
}

/** Whether a transaction ended later by a clock that was set back afterwards, at which recovery then ends. Reads all the WAL. */
function isPassed(path: WalPath, time: number, inclusive: boolean): boolean {
  for (const event of path.events()) {
    if (event.lsn >= path.consistent && endsTransaction(event) && isBehind(event.time, time, inclusive)) return true;
  }
  return false;
}

function findXid(path: WalPath, xid: number, refuse: Refuse, range: () => string): void {
  const what = `transaction ${xid}`;
  let prepared = false;
  for (const event of path.events()) {
    prepared ||= event.kind === 'prepared-end';
    if ((event.kind !== 'commit' && event.kind !== 'abort') || event.xid !== xid) continue;
    if (event.lsn < path.consistent)
      refuse(what, `it ended at ${formatLsn(event.lsn)}, before the backup is consistent`, TOO_EARLY);
    return;
  }
  // The end of a prepared transaction names its xid where we do not look.
  if (!prepared) refuse(what, `its end is not in the WAL that there is${gap(path)}`, range());
}

function findName(path: WalPath, name: string, refuse: Refuse, command: string): void {
  const names: string[] = [];
  for (const event of path.events()) {
    if (event.kind !== 'restore-point' || event.lsn < path.consistent) continue;
    if (event.name === name) return;
    names.push(JSON.stringify(event.name));
  }
  const known = names.length === 0 ? 'there are no restore points' : `the restore points are ${names.join(', ')}`;
  refuse(`the restore point "${name}"`, `it is not in the WAL behind the backup${gap(path)}`, `${known}${command}`);
}

/** The end of a sentence: nothing where nothing is missing. */
function gap(path: WalPath): string {
  const missing = path.gap();
  return missing === undefined ? '' : `: ${missing}`;
}

function walIsMissing(path: WalPath, backup: BackupInfo, command: string): PbkfsError {
  const there = `${formatLsn(path.start)} to ${formatLsn(path.consistent)}`;
  return new PbkfsError('wal_missing', `backup ${backup.id} needs the WAL from ${there}, and not all of it is there`, {
    hint: `the archive is incomplete: "pbkfs validate" names the missing segments${command}`,
  });
}

/** The end of a hint: after a failover what is asked for often lies on the new timeline. */
function elsewhere(path: WalPath): string {
  const others = path.otherTimelines();
  if (others.length === 0) return '';
  return `; that is along timeline ${path.timeline}: --recovery-target-timeline can also be ${others.join(', ')}`;
}
