// Whom the files of a mount belong to.

import { statSync } from 'node:fs';
import { isRoot } from '../sys/fuse-mount.js';
import type { LastMount } from './diff/binding.js';
import type { MountRequest } from './request.js';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL insists on owning its data directory; without root only ourselves can.
 * @param mountpoint the owner of the mount point
 */
export function fileOwner(request: MountRequest, mountpoint: FileOwner): FileOwner {
  const owner = isRoot() ? mountpoint : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { uid: request.uid ?? owner.uid, gid: request.gid ?? owner.gid };
}

/**
 * Whom the files of the backup belong to where a diff is opened without a mount: the same as in its last mount. An older
 * version did not write that down; then it is the owner of the mount point, if that can be seen: it may be gone, or dead.
 */
export function ownerInDiff(diff: string, { owner, mountpoint }: LastMount): FileOwner {
  if (owner !== undefined) return owner;
  try {
    return statSync(mountpoint);
  } catch {
    return statSync(diff);
  }
}
