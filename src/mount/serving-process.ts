// Which process serves a mount that no registry knows of: one made by another user, or in another session.

import { readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { displayPath } from '../backup/byte-path.js';
import { isAlive, processIds } from '../sys/process-identity.js';
import { readJson } from '../sys/read-json.js';
import { LOCK_FILE, type LockOwner } from './diff/lock.js';

export interface ServingProcess extends LockOwner {
  /** Absolute path of its diff. */
  readonly diff: string;
}

/**
 * Looks for the living process that holds the lock of a diff mounted on `mountpoint` (absolute, resolved). Without root
 * only the processes of this user can be seen into.
 */
export function findServingProcess(mountpoint: string): ServingProcess | undefined {
  for (const pid of processIds()) {
    for (const link of lockLinks(`/proc/${pid}/fd`)) {
      const owner = readJson<LockOwner>(link);
      if (owner?.pid !== pid || owner.mountpoint !== mountpoint || !isAlive(owner)) continue;
      return { ...owner, diff: dirname(displayPath(readlinkSync(link, 'latin1'))) };
    }
  }
  return undefined;
}

/** Descriptors of files that are called like a diff's lock. */
function lockLinks(directory: string): string[] {
  try {
    return readdirSync(directory)
      .map((fd) => `${directory}/${fd}`)
      .filter((link) => readlinkSync(link, 'latin1').endsWith(`/${LOCK_FILE}`));
  } catch {
    // Not ours to look at, or ended meanwhile.
    return [];
  }
}
