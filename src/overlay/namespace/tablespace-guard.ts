// Whether a symlink in pg_tblspc leads out of the mount.

import { posix } from 'node:path';

/**
 * @param mountpoint absolute path of the mount point
 * @param target link text as given; relative ones count from MOUNTPOINT/pg_tblspc
 */
export function pointsOutside(mountpoint: string, target: string): boolean {
  const resolved = posix.resolve(mountpoint, 'pg_tblspc', target);
  return resolved !== mountpoint && !resolved.startsWith(`${mountpoint}/`);
}
