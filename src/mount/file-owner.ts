// Whom the files of a mount belong to.

import { isRoot } from '../sys/fuse-mount.js';
import type { MountRequest } from './request.js';

export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL insists on owning its data directory; without root only ourselves can.
 * @param mountpoint the owner of the mount point
 */
export function ownerOf(request: MountRequest, mountpoint: FileOwner): FileOwner {
  const owner = isRoot() ? mountpoint : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { uid: request.uid ?? owner.uid, gid: request.gid ?? owner.gid };
}
