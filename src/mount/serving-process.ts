// Which process serves a mount that no registry knows of: one made by another user, or in another session.

import { dirname } from 'node:path';
import { displayPath } from '../backup/byte-path.js';
import { isAlive, processIds } from '../sys/process-identity.js';
import { readJson } from '../sys/read-json.js';
import { LOCK_FILE, type LockOwner } from './diff/lock.js';
import { linkText, namesIn } from './holders.js';

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
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      const link = `/proc/${pid}/fd/${fd}`;
      // Other descriptors come and go while we look.
      const target = linkText(link);
      if (target?.endsWith(`/${LOCK_FILE}`) !== true) continue;
      const owner = readJson<LockOwner>(link);
      if (owner?.pid !== pid || owner.mountpoint !== mountpoint || !isAlive(owner)) continue;
      return { ...owner, diff: dirname(displayPath(target)) };
    }
  }
  return undefined;
}
