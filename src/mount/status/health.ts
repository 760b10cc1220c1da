// How it is with a mount, found out without being held up by one that hangs.

import { isAlive } from '../../sys/process-identity.js';
import type { Owner } from '../mounted.js';
import { isStopped } from '../stopped-process.js';
import { describeElsewhere, findCopies } from '../unmount/other-namespaces.js';
import { within } from '../within.js';
import { readByChild } from './ask-mount.js';

/**
 * `hung`: its process is stopped, or has not answered in time. `ending`: unmounted, its process still makes the diff durable
 * or serves files that are open. `elsewhere`: off its directory here, but bind mounts of it are left, or other mount
 * namespaces have it. `dead`: the process has gone, the endpoint is left.
 */
export type MountHealth = 'serving' | 'hung' | 'ending' | 'elsewhere' | 'dead';

/** How long a mount may take to answer, in ms. */
const PATIENCE = 5000;

/** Of what is mounted on the directory. It is asked, unless its process is known to be stopped. */
export async function healthOf(mountpoint: string, owner: Owner | undefined): Promise<MountHealth> {
  const living = owner !== undefined && isAlive(owner);
  if (living && isStopped(owner.pid)) return 'hung';
  const told = await within(readByChild(mountpoint, 'stat', PATIENCE), PATIENCE);
  if (typeof told === 'string') return 'serving';
  if (told === undefined || told.killed) return 'hung';
  // What else it says (that this user may not look, that a disk fails) is an answer.
  if (!/not connected|onnection abort/.test(told.reason)) return 'serving';
  return living ? 'ending' : 'dead';
}

/** Of one that is not on its directory here, while its process lives. */
export function healthOfGone(owner: Owner): MountHealth {
  const isElsewhere = findCopies(owner).length > 0 || describeElsewhere(owner) !== undefined;
  return isElsewhere ? 'elsewhere' : 'ending';
}
