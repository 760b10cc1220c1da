// Ending a FUSE connection without umount2(MNT_FORCE): the control file system lets also its owner do that.

import { writeFileSync } from 'node:fs';
import { mountOn } from './mountinfo.js';

/** Where the control file system is mounted as a rule (systemd does it at boot). */
const CONTROL = '/sys/fs/fuse/connections';

/**
 * Ends the connection of the topmost mount on `mountpoint`: whoever waits for an answer gets an error, readers of the
 * device get ENODEV.
 * @returns whether that could be done: not where the control file system is not mounted
 */
export function abortConnection(mountpoint: string): boolean {
  // The control file system leaves the major number out: it is 0 for file systems without a disk.
  const minor = mountOn(mountpoint)?.device.split(':')[1];
  if (minor === undefined) return false;
  try {
    writeFileSync(`${CONTROL}/${minor}/abort`, '1', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}
