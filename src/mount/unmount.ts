// Taking a mount away and making sure that everything it held is on disk.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { type UnmountHow, unmountDevice } from '../sys/fuse-mount.js';
import { isMountPoint, isOurs, type MountEntry, mountOn } from '../sys/mountinfo.js';
import { isAlive, sameProcess } from '../sys/process-identity.js';
import { shellWord } from '../sys/shell-word.js';
import { isStopped, letGoOn } from './ask-mount.js';
import { readBinding } from './binding.js';
import { inspectDiff } from './diff-directory.js';
import { describeHolders } from './holders.js';
import { isDiffLocked, lockOwner } from './lock.js';
import { findMounted, type Owner, ownerOf } from './mounted.js';
import { findServers } from './orphaned-server.js';
import { describeElsewhere, findCopies, type Gone, placesOf } from './other-namespaces.js';
import { resolveFuture, resolveMountpoint } from './paths.js';
import { findRegistered, unregister } from './registry.js';
import { cureStale } from './stale.js';

export type Unmounted =
  | { readonly kind: 'clean'; readonly mountpoint: string; readonly diff: string | undefined }
  /** The mount was dead already: its process had been killed. */
  | { readonly kind: 'cured'; readonly mountpoint: string; readonly diff: string | undefined }
  /** Out of sight; it goes on for those who use it, and ends with the last of them. */
  | { readonly kind: 'detached'; readonly mountpoint: string; readonly diff: string | undefined }
  /** Unmounted, but nobody knows the process behind it, so there was nothing to wait for. */
  | {
      readonly kind: 'unknown';
      readonly mountpoint: string;
      /** Where it goes on: what was unmounted was a bind mount of it. */
      readonly goesOnAt?: string;
    };

/** What an unmount waits for. */
export type Wait =
  | { readonly for: 'users'; readonly mountpoint: string; readonly holders: string; readonly ms: number }
  | { readonly for: 'process'; readonly pid: number }
  /** Bind mounts of it are left, where the process goes on serving it. */
  | { readonly for: 'copies'; readonly pid: number; readonly holders: string }
  /** It is still mounted in other mount namespaces, whose processes are named; the process serves them until then. */
  | { readonly for: 'namespaces'; readonly pid: number; readonly holders: string };

export interface UnmountOptions {
  /**
   * `polite`: wait for the users. `force`: end the connection under them, they get errors; everything accepted is kept.
   * `lazy`: detach it and return at once.
   */
  readonly how?: 'polite' | 'force' | 'lazy';
  /** How long to wait for users to leave, and then for the process to end, in ms. */
  readonly stopTimeout?: number;
  /** Called once for each thing that has to be waited for. */
  readonly onWait?: (wait: Wait) => void;
  /** Silent time before the wait for the process is announced, in ms. */
  readonly patience?: number;
}

const POLL_MS = 20;
const STOP_TIMEOUT_MS = 30_000;

/**
 * Unmounts and returns once the mount process has ended and its diff is durable and unlocked.
 * @throws PbkfsError not_mounted; mount_busy naming the holders (nothing has changed then), or the process that does not
 * come to its end (it is unmounted then); mount_failed when the last sync failed
 */
export async function unmount(path: string, options: UnmountOptions = {}): Promise<Unmounted> {
  const { how = 'polite' } = options;
  const ending = endingOn(path);
  if (ending !== undefined) {
    if (await comesUp(ending, options)) return unmount(path, options);
    return finish(ending, { mountpoint: ending.mountpoint, device: ending.device }, options);
  }
  const { mountpoint, entry, owner } = findMounted(path);
  if (cureStale(mountpoint) > 0) {
    if (owner !== undefined) unregister(mountpoint, owner);
    return { kind: 'cured', mountpoint, diff: owner?.diff };
  }
  if (how === 'lazy') {
    takeOff(mountpoint, 'detach');
    return { kind: 'detached', mountpoint, diff: owner?.diff };
  }
  if (how === 'force') endConnection(mountpoint, entry);
  else await takeOffWhenFree(mountpoint, options);
  const gone = { mountpoint, device: entry.device };
  if (owner !== undefined) return finish(owner, gone, options);
  const [goesOnAt] = placesOf(entry.device);
  return { kind: 'unknown', mountpoint, ...given({ goesOnAt }) };
}

/**
 * The mount point of a diff, for unmount.
 * @throws PbkfsError not_mounted; diff_foreign for what is no diff
 */
export function mountpointOfDiff(path: string): string {
  const diff = resolveFuture(path);
  const found = inspectDiff(diff);
  const last = found.kind === 'bound' ? found.binding.lastMount : undefined;
  // The lock is that of the moment; a dead mount has only left what the binding says.
  const mountpoint = isDiffLocked(diff)
    ? (lockOwner(diff)?.mountpoint ?? last?.mountpoint)
    : staleMount(last?.mountpoint);
  if (mountpoint !== undefined) return mountpoint;
  throw new PbkfsError('not_mounted', `the diff ${diff} is not mounted`, {
    hint:
      last !== undefined
        ? `it was last mounted on ${last.mountpoint}`
        : found.kind === 'absent'
          ? 'there is no such directory; "pbkfs list" shows all mounts'
          : 'it never was',
  });
}

/** The mount point if something of ours is left on it that nobody serves. */
function staleMount(mountpoint: string | undefined): string | undefined {
  if (mountpoint === undefined) return undefined;
  const mount = mountOn(mountpoint);
  const owner = ownerOf(mountpoint);
  return mount !== undefined && isOurs(mount) && (owner === undefined || !isAlive(owner)) ? mountpoint : undefined;
}

/** A mount that is off its directory already, while its process still makes the diff durable. */
function endingOn(path: string): Owner | undefined {
  try {
    const mountpoint = resolveMountpoint(path);
    if (isMountPoint(mountpoint)) return undefined;
    const owner = ownerOf(mountpoint);
    return owner !== undefined && isAlive(owner) ? owner : undefined;
  } catch {
    return undefined; // there is no such directory
  }
}

/**
 * Whether a process that has nothing mounted was on its way to a mount, and not on its way out; waits until that is known.
 * @throws PbkfsError mount_busy when it takes too long
 */
async function comesUp(owner: Owner, { stopTimeout = STOP_TIMEOUT_MS }: UnmountOptions): Promise<boolean> {
  const { mountpoint } = owner;
  const registered = findRegistered(mountpoint);
  // It has been up.
  if (registered !== undefined && sameProcess(registered, owner)) return false;
  const deadline = performance.now() + stopTimeout;
  while (isAlive(owner)) {
    if (isMountPoint(mountpoint)) return true;
    if (performance.now() >= deadline) throw undecided(owner, stopTimeout);
    await sleep(POLL_MS);
  }
  return false;
}

function undecided({ mountpoint, pid }: Owner, stopTimeout: number): PbkfsError {
  const seconds = Math.round(stopTimeout / 1000);
  const what = `nothing is mounted on ${mountpoint}, but process ${pid} is about to mount it, or to end`;
  return new PbkfsError('mount_busy', `${what}, and has done neither within ${seconds} s`, {
    hint: isStopped(pid)
      ? letGoOn(pid)
      : `try again when it has; should it hang, kill -9 ${pid} is safe: the next mount recovers the diff`,
  });
}

async function finish(owner: Owner, gone: Gone, options: UnmountOptions): Promise<Unmounted> {
  await ended(owner, gone, options);
  checkCleanEnd(owner);
  return { kind: 'clean', mountpoint: owner.mountpoint, diff: owner.diff };
}

async function takeOffWhenFree(mountpoint: string, options: UnmountOptions): Promise<void> {
  const { stopTimeout = STOP_TIMEOUT_MS, onWait } = options;
  const deadline = performance.now() + stopTimeout;
  for (let announced = false; !takeOff(mountpoint, 'polite'); await sleep(POLL_MS * 5)) {
    const mount = mountOn(mountpoint);
    if (performance.now() >= deadline) throw busy(mountpoint, mount);
    if (announced || mount === undefined) continue;
    announced = true;
    onWait?.({ for: 'users', mountpoint, holders: holdersOf(mountpoint, mount), ms: stopTimeout });
  }
}

/** Whoever still uses the mount gets errors; a server must not lose its directory that way, and what lies below it get its writes. */
function endConnection(mountpoint: string, mount: MountEntry): void {
  const servers = findServers(mount);
  if (servers.length > 0) {
    const list = servers.map(({ pid }) => `process ${pid}`).join(', ');
    throw new PbkfsError('mount_busy', `a PostgreSQL server runs on ${mountpoint}, it stays mounted: ${list}`, {
      hint: 'add --stop-server, or stop it with "pg_ctl stop"',
    });
  }
  if (!takeOff(mountpoint, 'abort')) takeOff(mountpoint, 'detach');
}

/** @returns false when somebody uses the mount */
function takeOff(mountpoint: string, how: UnmountHow): boolean {
  try {
    unmountDevice(mountpoint, how);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Somebody else has just unmounted it; what is left is to wait.
    if (!isMountPoint(mountpoint)) return true;
    if (error instanceof PbkfsError) throw error;
    if (code === 'EBUSY') return false;
    const hint = code === 'EPERM' ? { hint: 'only root or whoever mounted it may unmount it' } : {};
    throw new PbkfsError('mount_failed', `cannot unmount ${mountpoint}: ${code}`, { ...hint, cause: error });
  }
}

function busy(mountpoint: string, mount: MountEntry | undefined): PbkfsError {
  const holders = mount === undefined ? 'somebody' : holdersOf(mountpoint, mount);
  const stopped = stoppedProcess(ownerOf(mountpoint));
  return new PbkfsError('mount_busy', `${mountpoint} is in use, it stays mounted; held by ${holders}`, {
    hint:
      stopped === undefined
        ? 'stop these processes (a server by --stop-server or "pg_ctl stop"), leave the directory, and try again'
        : letGoOn(stopped),
  });
}

function holdersOf(mountpoint: string, mount: MountEntry): string {
  const stopped = stoppedProcess(ownerOf(mountpoint));
  return stopped === undefined
    ? describeHolders(mount)
    : `whoever waits for an answer of its process ${stopped}, which is stopped`;
}

/** The pid of a mount process that somebody has stopped. */
function stoppedProcess(owner: Owner | undefined): number | undefined {
  return owner !== undefined && isAlive(owner) && isStopped(owner.pid) ? owner.pid : undefined;
}

/** The lock may outlive the process by moments: its last thread closes the files. */
async function ended(owner: Owner, gone: Gone, options: UnmountOptions): Promise<void> {
  const { onWait, patience = 3000, stopTimeout = STOP_TIMEOUT_MS } = options;
  const begun = performance.now();
  let noticed = false;
  while (isAlive(owner) || (owner.diff !== undefined && isDiffLocked(owner.diff) && !hasNewOwner(owner))) {
    await sleep(POLL_MS);
    const waited = performance.now() - begun;
    if (waited > stopTimeout) throw notEnded(owner, stopTimeout, gone);
    if (!noticed && waited > patience) {
      noticed = true;
      onWait?.(whatLasts(owner, gone));
    }
  }
}

function whatLasts({ pid }: Owner, gone: Gone): Wait {
  const copies = findCopies(gone);
  if (copies.length > 0) return { for: 'copies', pid, holders: copies.join(', ') };
  const holders = describeElsewhere(gone);
  return holders === undefined ? { for: 'process', pid } : { for: 'namespaces', pid, holders };
}

function notEnded(owner: Owner, stopTimeout: number, gone: Gone): PbkfsError {
  const [copy, ...copies] = findCopies(gone);
  if (copy !== undefined) {
    return new PbkfsError(
      'mount_busy',
      `${owner.mountpoint} is unmounted, but bind mounts of it are left, for which process ${owner.pid} goes on: ${[copy, ...copies].join(', ')}`,
      { hint: `pbkfs unmount -D ${shellWord(copy)}` },
    );
  }
  const elsewhere = describeElsewhere(gone);
  const seconds = Math.round(stopTimeout / 1000);
  if (elsewhere !== undefined) {
    return new PbkfsError(
      'mount_busy',
      `${owner.mountpoint} is unmounted here, but not in other mount namespaces, for which process ${owner.pid} goes on; it is mounted for ${elsewhere}`,
      {
        hint: `end these processes (containers), or unmount it there: nsenter --mount=/proc/PID/ns/mnt umount ${shellWord(owner.mountpoint)}`,
      },
    );
  }
  const stopped = stoppedProcess(owner);
  const wait = `it makes the diff durable; "pbkfs unmount -d ${shellWord(owner.diff ?? 'DIFF')}" waits for it`;
  return new PbkfsError(
    'mount_busy',
    `${owner.mountpoint} is unmounted, but process ${owner.pid} has not come to its end within ${seconds} s`,
    {
      hint:
        stopped === undefined
          ? `${wait}. Should it hang, kill -9 ${owner.pid} is safe: the next mount recovers the diff`
          : letGoOn(stopped),
    },
  );
}

function checkCleanEnd(owner: Owner): void {
  if (owner.diff === undefined || hasNewOwner(owner)) return;
  const last = readBinding(owner.diff)?.lastMount;
  if (last === undefined || last.state === 'clean') return;
  const where = owner.logFile === undefined ? '' : `; see ${owner.logFile}`;
  const what =
    last.state === 'failed'
      ? `failed: ${last.error ?? 'no reason recorded'}`
      : `process ${owner.pid} ended without finishing its work`;
  throw new PbkfsError('mount_failed', `${owner.mountpoint} is unmounted, but the mount ${what}${where}`, {
    hint: `the writes it had accepted are in ${owner.diff}; mount it again to sync them before the host loses power. Where a sync has failed, some may be lost all the same: check the storage`,
  });
}

/** Somebody has mounted the diff again in the meantime: then that process answers for it. */
function hasNewOwner(owner: Owner): boolean {
  if (owner.diff === undefined) return false;
  try {
    const last = readBinding(owner.diff)?.lastMount;
    return last !== undefined && !sameProcess(last, owner);
  } catch {
    return false;
  }
}
