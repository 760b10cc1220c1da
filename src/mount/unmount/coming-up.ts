// A mount process that has nothing on its directory: it is on its way out, or on its way to a mount.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../../errors.js';
import { isMountPoint } from '../../sys/mountinfo.js';
import { isAlive, sameProcess } from '../../sys/process-identity.js';
import { type Owner, ownerOf } from '../mounted.js';
import { resolveMountpoint } from '../paths.js';
import { findRegistered } from '../registry.js';
import { isStopped, letGoOn } from '../stopped-process.js';
import { POLL_MS, STOP_TIMEOUT_MS, type UnmountOptions } from './unmount-options.js';

/** The living process of a mount point with nothing mounted on it. */
export function unseenOn(path: string): Owner | undefined {
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
export async function comesUp(owner: Owner, { stopTimeout = STOP_TIMEOUT_MS }: UnmountOptions): Promise<boolean> {
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
