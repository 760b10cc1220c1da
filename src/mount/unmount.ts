// Taking a mount away and making sure that everything it held is on disk.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { unmountDevice } from '../sys/fuse-mount.js';
import { isAlive, type ProcessIdentity } from '../sys/process-identity.js';
import { readBinding } from './binding.js';
import { describeHolders } from './holders.js';
import { isDiffLocked } from './lock.js';
import { isOurs, type MountEntry, mountAt, mountContaining, readMounts } from './mountinfo.js';
import { bytesOf, resolveMountpoint, textOf } from './paths.js';
import { findRegistered, type RegistryEntry, unregister } from './registry.js';
import { findServingProcess, type ServingProcess } from './serving-process.js';
import { cureStale } from './stale.js';

export type Unmounted =
  | { readonly kind: 'clean'; readonly mountpoint: string; readonly diff: string | undefined }
  /** The mount was dead already: its process had been killed. */
  | { readonly kind: 'cured'; readonly mountpoint: string; readonly diff: string | undefined }
  /** Unmounted, but nobody knows the process behind it, so there was nothing to wait for. */
  | { readonly kind: 'unknown'; readonly mountpoint: string };

/** The process behind a mount, as the registry or the lock of its diff knows it. */
type Owner = Omit<ServingProcess, 'diff'> & Partial<Pick<RegistryEntry, 'diff' | 'logFile'>>;

const POLL_MS = 20;

/**
 * Unmounts and returns once the mount process has ended and its diff is durable and unlocked.
 * @param onWait called once when the wait lasts longer than `patience` ms (a large diff is being synced)
 * @throws PbkfsError not_mounted; mount_busy naming the holders (nothing has changed then); mount_failed when the
 * last sync failed
 */
export async function unmount(
  path: string,
  onWait: (owner: ProcessIdentity) => void = () => undefined,
  patience = 3000,
): Promise<Unmounted> {
  const mountpoint = locate(path);
  const owner = findRegistered(mountpoint) ?? findServingProcess(mountpoint);
  if (cureStale(mountpoint) > 0) {
    if (owner !== undefined) unregister(mountpoint, owner);
    return { kind: 'cured', mountpoint, diff: owner?.diff };
  }
  detach(mountpoint);
  if (owner === undefined) return { kind: 'unknown', mountpoint };
  await ended(owner, onWait, patience);
  checkCleanEnd(owner);
  return { kind: 'clean', mountpoint, diff: owner.diff };
}

/** Finds our mount on the path without touching it. */
function locate(path: string): string {
  let mountpoint: string;
  try {
    mountpoint = resolveMountpoint(path);
  } catch (error) {
    throw new PbkfsError('not_mounted', `${path} does not exist`, { cause: error });
  }
  const mounts = readMounts();
  const mounted = mountAt(mounts, bytesOf(mountpoint));
  if (mounted === undefined) {
    const around = mountContaining(mounts, bytesOf(mountpoint));
    throw new PbkfsError('not_mounted', `nothing is mounted on ${mountpoint}`, {
      ...(around !== undefined && isOurs(around)
        ? { hint: `it lies in the mount on ${textOf(around.mountPoint)}` }
        : {}),
    });
  }
  if (!isOurs(mounted)) {
    throw new PbkfsError('not_mounted', `what is mounted on ${mountpoint} is not pbkfs but ${mounted.type}`, {
      hint: 'use umount for other file systems',
    });
  }
  return mountpoint;
}

function detach(mountpoint: string): void {
  try {
    unmountDevice(mountpoint, 'polite');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Somebody else has just unmounted it; what is left is to wait.
    if (mountAt(readMounts(), bytesOf(mountpoint)) === undefined) return;
    if (error instanceof PbkfsError) throw error;
    if (code === 'EBUSY') throw busy(mountpoint, mountAt(readMounts(), bytesOf(mountpoint)));
    const hint = code === 'EPERM' ? { hint: 'only root or whoever mounted it may unmount it' } : {};
    throw new PbkfsError('mount_failed', `cannot unmount ${mountpoint}: ${code}`, { ...hint, cause: error });
  }
}

function busy(mountpoint: string, mount: MountEntry | undefined): PbkfsError {
  const holders = mount === undefined ? 'somebody' : describeHolders(mount);
  return new PbkfsError('mount_busy', `${mountpoint} is in use, it stays mounted; held by ${holders}`, {
    hint: 'stop these processes (a server with "pg_ctl stop"), leave the directory, and try again',
  });
}

/** The lock may outlive the process by moments: its last thread closes the files. */
async function ended(owner: Owner, onWait: (owner: ProcessIdentity) => void, patience: number): Promise<void> {
  const noticeAt = Date.now() + patience;
  let noticed = false;
  while (isAlive(owner) || (owner.diff !== undefined && isDiffLocked(owner.diff) && !hasNewOwner(owner))) {
    await sleep(POLL_MS);
    if (!noticed && Date.now() > noticeAt) {
      noticed = true;
      onWait(owner);
    }
  }
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
    hint: `the writes it had accepted are in ${owner.diff}; mount it again to make them durable before the host loses power`,
  });
}

/** Somebody has mounted the diff again in the meantime: then that process answers for it. */
function hasNewOwner(owner: Owner): boolean {
  if (owner.diff === undefined) return false;
  try {
    const last = readBinding(owner.diff)?.lastMount;
    return (
      last !== undefined &&
      (last.pid !== owner.pid || last.startTime !== owner.startTime || last.bootId !== owner.bootId)
    );
  } catch {
    return false;
  }
}
