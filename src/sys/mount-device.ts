// The device number of a mount, by /proc alone: asking the mount itself could wait for whoever serves it.

import { readFileSync } from 'node:fs';

/** Of the topmost mount on `mountpoint`, as `major:minor` in decimal; undefined where nothing is mounted. */
export function mountedDevice(mountpoint: string): string | undefined {
  const wanted = Buffer.from(mountpoint)
    .toString('latin1')
    // As the kernel writes it into mountinfo.
    .replace(/[ \t\n\\#]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return mounts.map((text) => text.split(' ')).findLast((fields) => fields[4] === wanted)?.[2];
}
