// Taking dead mounts away.

import { unmountDevice } from '../sys/fuse-mount.js';
import { mountOn } from '../sys/mountinfo.js';
import { isStale } from './is-stale.js';
import { refuseOrphanedServers } from './orphaned-server.js';

/**
 * Takes dead mounts of pbkfs off the directory, also when processes still sit in them: nothing can be lost any more.
 * But not from under a PostgreSQL server: it would run on unseen, with its lock files in the diff.
 * @returns how many there were
 * @throws PbkfsError mount_busy naming the server
 */
export function cureStale(mountpoint: string): number {
  let cured = 0;
  for (; isStale(mountpoint); cured++) {
    const mount = mountOn(mountpoint);
    if (mount !== undefined) refuseOrphanedServers(mount);
    // That took its time: somebody else may have taken it away, and mounted anew.
    if (!isStale(mountpoint)) break;
    unmountDevice(mountpoint, 'detach');
  }
  return cured;
}
