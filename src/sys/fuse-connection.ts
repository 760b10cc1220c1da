// Ending a FUSE connection without umount2(MNT_FORCE): the control file system lets also its owner do that.

import { readFileSync, writeFileSync } from 'node:fs';

/** Where the control file system is mounted as a rule (systemd does it at boot). */
const CONTROL = '/sys/fs/fuse/connections';

/**
 * Ends the connection of the topmost mount on `mountpoint`: whoever waits for an answer gets an error, readers of the
 * device get ENODEV.
 * @returns whether that could be done: not where the control file system is not mounted
 */
export function abortConnection(mountpoint: string): boolean {
  const device = deviceOf(mountpoint);
  if (device === undefined) return false;
  try {
    writeFileSync(`${CONTROL}/${device}/abort`, '1', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/** The mount's device number as the control file system names it; major is 0 for file systems without a disk. */
function deviceOf(mountpoint: string): number | undefined {
  const wanted = Buffer.from(mountpoint)
    .toString('latin1')
    // As the kernel writes it into mountinfo.
    .replace(/[ \t\n\\#]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  const line = mounts.map((text) => text.split(' ')).findLast((fields) => fields[4] === wanted);
  const minor = line?.[2]?.split(':')[1];
  return minor === undefined ? undefined : Number(minor);
}
