// One mount process at a time on a mount point: two that found it free at the same moment would be mounted upon each other,
// and the lower one could be reached by nobody.

import { closeSync, constants, openSync } from 'node:fs';
import { flock, LOCK_EX, LOCK_NB } from '../../sys/libc.js';
import { refuseMounted, unusableMountpoint } from './preflight.js';

/**
 * Locks the directory that is about to be mounted on. Where such locks cannot be had (some network file systems) nothing
 * is locked.
 * @returns ends the lock, which is needed only until the mount is there
 * @throws PbkfsError mountpoint_unusable when another process mounts there, or has done so since the last look
 */
export function lockMountpoint(mountpoint: string): () => void {
  let fd: number;
  try {
    fd = openSync(mountpoint, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return () => undefined;
  }
  const release = (): void => {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  };
  try {
    flock(fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
      release();
      throw unusableMountpoint(
        `another process is mounting on ${mountpoint} right now`,
        'choose another directory',
        error,
      );
    }
  }
  try {
    refuseMounted(mountpoint);
    return release;
  } catch (error) {
    release();
    throw error;
  }
}
