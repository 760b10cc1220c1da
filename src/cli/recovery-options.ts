// The options that say where recovery stops, with the names of `pg_probackup restore`.

import { InvalidArgumentError, type Option } from 'commander';
import { parseLsnNumber, type RecoveryTarget, type TimelineTarget } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';
import { oneOf, option } from './options.js';
import { targetTime } from './target-time.js';

export interface TargetOptions {
  readonly recoveryTarget?: 'immediate' | 'latest';
  readonly recoveryTargetTime?: number;
  readonly recoveryTargetLsn?: number;
  readonly recoveryTargetXid?: number;
  readonly recoveryTargetName?: string;
  readonly recoveryTargetTimeline?: TimelineTarget;
  readonly recoveryTargetInclusive?: 'true' | 'false';
}

export interface RecoveryOptions extends TargetOptions {
  readonly recoveryTargetAction?: RecoveryConfig['action'];
  readonly restoreCommand?: string;
  readonly restoreAsReplica?: true;
  readonly primaryConninfo?: string;
  readonly primarySlotName?: string;
}

/** The options that choose a point in time. */
export function targetOptions(): Option[] {
  return [
    option(
      '--recovery-target-time <time>',
      'recover to this time; a zone is like +03 or Europe/Berlin, without one it is the local time',
      targetTime,
    ),
    option('--recovery-target-lsn <lsn>', 'recover to this WAL position', targetLsn),
    option('--recovery-target-xid <xid>', 'recover to the end of this transaction', targetXid),
    option('--recovery-target-name <name>', 'recover to this restore point'),
    option(
      '--recovery-target <what>',
      'immediate: until the backup is consistent; latest: all WAL there is',
      oneOf('immediate', 'latest'),
    ),
    option(
      '--recovery-target-timeline <timeline>',
      'current (the default), latest (the default of --recovery-target latest), or a number',
      targetTimeline,
    ),
    option(
      '--recovery-target-inclusive <boolean>',
      'true (the default): stop just after the target; false: before it',
      oneOf('true', 'false'),
    ),
  ];
}

/** Those of {@link targetOptions} and what only a data directory for somebody else's server needs. */
export function recoveryOptions(): Option[] {
  return [
    ...targetOptions(),
    option(
      '--recovery-target-action <action>',
      'at the target: pause (the default), promote, shutdown',
      oneOf('pause', 'promote', 'shutdown'),
    ),
    option('--restore-command <command>', 'restore_command (default: WAL comes from the catalog, through the mount)'),
    option('--restore-as-replica', 'make it a standby'),
    option('--primary-conninfo <text>', 'the server that the standby follows'),
    option('--primary-slot-name <name>', 'its replication slot there'),
  ];
}

/**
 * The target that the options choose; undefined when they choose none.
 * @throws PbkfsError usage for more than one
 */
export function targetOf(options: TargetOptions): RecoveryTarget | undefined {
  const given: RecoveryTarget[] = [];
  if (options.recoveryTargetTime !== undefined) given.push({ kind: 'time', time: options.recoveryTargetTime });
  if (options.recoveryTargetLsn !== undefined) given.push({ kind: 'lsn', lsn: options.recoveryTargetLsn });
  if (options.recoveryTargetXid !== undefined) given.push({ kind: 'xid', xid: options.recoveryTargetXid });
  if (options.recoveryTargetName !== undefined) given.push({ kind: 'name', name: options.recoveryTargetName });
  if (options.recoveryTarget === 'immediate') given.push({ kind: 'immediate' });
  // Whoever asks for the latest state wants no older one; whoever names no target takes what there is.
  if (options.recoveryTarget === 'latest') given.push({ kind: 'latest', whole: true });
  if (given.length > 1) throw new PbkfsError('usage', 'only one recovery target can be given');
  return given[0];
}

/** The timeline to follow: where none is named, the one that `pg_probackup restore` follows (2.5.14 and later). */
export function timelineOf(options: TargetOptions): TimelineTarget {
  return options.recoveryTargetTimeline ?? (options.recoveryTarget === 'latest' ? 'latest' : 'current');
}

/** The whole of it; undefined when none of the options is given. */
export function recoveryOf(options: RecoveryOptions): RecoveryConfig | undefined {
  const target = targetOf(options);
  const { recoveryTargetTimeline, recoveryTargetAction, recoveryTargetInclusive, restoreCommand } = options;
  const { restoreAsReplica, primaryConninfo, primarySlotName } = options;
  if ((primaryConninfo ?? primarySlotName) !== undefined && restoreAsReplica === undefined) {
    throw new PbkfsError('usage', '--primary-conninfo and --primary-slot-name need --restore-as-replica');
  }
  const others = [
    recoveryTargetTimeline,
    recoveryTargetAction,
    recoveryTargetInclusive,
    restoreCommand,
    restoreAsReplica,
  ];
  if (target === undefined && others.every((option) => option === undefined)) return undefined;
  return {
    target: target ?? { kind: 'latest' },
    timeline: recoveryTargetTimeline ?? (restoreAsReplica ? 'latest' : timelineOf(options)),
    action: recoveryTargetAction ?? 'pause',
    ...(recoveryTargetInclusive === undefined ? {} : { inclusive: recoveryTargetInclusive === 'true' }),
    ...(restoreCommand === undefined ? {} : { restoreCommand }),
    ...(restoreAsReplica
      ? {
          replica: {
            ...(primaryConninfo === undefined ? {} : { primaryConninfo }),
            ...(primarySlotName === undefined ? {} : { primarySlotName }),
          },
        }
      : {}),
  };
}

function targetLsn(value: string): number {
  const lsn = parseLsnNumber(value);
  if (lsn === undefined) throw new InvalidArgumentError('It must be an LSN like 0/3000060.');
  return lsn;
}

function targetXid(value: string): number {
  const xid = Number(value);
  if (!/^\d+$/.test(value) || xid < 3 || xid >= 2 ** 32) throw new InvalidArgumentError('It must be a transaction id.');
  return xid;
}

function targetTimeline(value: string): TimelineTarget {
  if (value === 'current' || value === 'latest') return value;
  if (/^[1-9]\d{0,9}$/.test(value) && Number(value) < 2 ** 32) return Number(value);
  throw new InvalidArgumentError('It must be current, latest or the number of a timeline.');
}
