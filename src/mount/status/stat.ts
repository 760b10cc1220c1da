// The counters of a mount, as its own status file tells them, counted from its start or from the last reset.

import { readFileSync, rmSync } from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { given } from '../../given.js';
import { replaceFile } from '../../sys/durable-file.js';
import { findServing, type Mounted, WHO_MAY_LOOK } from '../mounted.js';
import { BASELINE, companionFile } from '../registry.js';
import { isStopped, letGoOn } from '../stopped-process.js';
import { within } from '../within.js';
import { readByChild } from './ask-mount.js';

/** What `.pbkfs/stat` holds. */
export interface MountStatus {
  readonly instance: string;
  readonly backupId: string;
  readonly chain: readonly string[];
  readonly chainLock?: string;
  /** `intact`, or which backup was changed under the mount. */
  readonly chainState: string;
  /** null: a read-only mount */
  readonly diff: string | null;
  readonly inodes: number;
  readonly indexBytes: number;
  readonly counters: Readonly<Record<string, number>>;
}

export interface MountStat {
  readonly mountpoint: string;
  /** When the counters stood at 0, in ms since 1970: the start of the mount or the last reset; unknown for others' mounts. */
  readonly since: number | undefined;
  readonly status: MountStatus;
}

/**
 * Counters as of now. A reset never touches the counters themselves, which many threads add to and Prometheus relies on:
 * it remembers where they stood, for this user and this mount.
 * @param total from the start of the mount, whatever was reset
 * @throws PbkfsError not_mounted, no_permission
 */
export async function readStat(path: string, total: boolean): Promise<MountStat> {
  const mounted = findServing(path);
  return since(mounted, await readStatus(mounted), total ? undefined : readBaseline(mounted));
}

/**
 * From now on readStat counts from here.
 * @returns the counters up to now: what it counts from now on and they make up all
 * @throws PbkfsError no_permission where a reset cannot be remembered
 */
export async function resetStat(path: string): Promise<MountStat> {
  const mounted = findServing(path);
  const status = await readStatus(mounted);
  const before = since(mounted, status, readBaseline(mounted));
  const file = companionFile(mounted.mountpoint, BASELINE);
  if (file === undefined) {
    throw new PbkfsError('no_permission', 'there is no directory to remember a reset in', {
      hint: 'set XDG_STATE_HOME to a directory of your own',
    });
  }
  const baseline: Baseline = { mount: identify(mounted), takenAt: Date.now(), counters: status.counters };
  replaceFile(file, `${JSON.stringify(baseline)}\n`);
  return before;
}

function since({ mountpoint, owner }: Mounted, status: MountStatus, baseline: Baseline | undefined): MountStat {
  if (baseline === undefined) return { mountpoint, since: owner?.mountedAt, status };
  const counters = Object.fromEntries(
    Object.entries(status.counters).map(([name, value]) => [name, value - (baseline.counters[name] ?? 0)]),
  );
  return { mountpoint, since: baseline.takenAt, status: { ...status, counters } };
}

/** How long a mount may take to answer, in ms: it gives up itself after ten seconds. */
const PATIENCE = 15_000;

/**
 * The status file of a mount, read through it.
 * @throws PbkfsError not_mounted, also where a mount hangs; no_permission
 */
export async function readStatus({ mountpoint, owner }: Mounted): Promise<MountStatus> {
  const told = await within(readByChild(mountpoint, 'stat', PATIENCE), PATIENCE);
  if (typeof told === 'string') return JSON.parse(told) as MountStatus;
  if (told !== undefined && /: (Permission denied|Operation not permitted)$/.test(told.reason)) {
    throw new PbkfsError('no_permission', `no permission to look into ${mountpoint}`, {
      hint: WHO_MAY_LOOK,
    });
  }
  const reason = told === undefined || told.killed ? 'nothing came' : told.reason;
  const hint =
    owner !== undefined && isStopped(owner.pid)
      ? letGoOn(owner.pid)
      : owner?.logFile && `look into its log, ${owner.logFile}`;
  throw new PbkfsError('not_mounted', `the mount on ${mountpoint} does not answer: ${reason}`, given({ hint }));
}

interface Baseline {
  readonly mount: string;
  readonly takenAt: number;
  readonly counters: Readonly<Record<string, number>>;
}

function readBaseline(mounted: Mounted): Baseline | undefined {
  const file = companionFile(mounted.mountpoint, BASELINE);
  if (file === undefined) return undefined;
  try {
    const baseline = JSON.parse(readFileSync(file, 'utf8')) as Baseline;
    if (baseline.mount === identify(mounted)) return baseline;
    rmSync(file, { force: true });
  } catch {
    // None was taken.
  }
  return undefined;
}

/** Tells one mount on a directory from the next. */
function identify({ entry, owner }: Mounted): string {
  return owner === undefined
    ? `mount ${entry.id} ${entry.device}`
    : `process ${owner.pid} ${owner.startTime} ${owner.bootId}`;
}
