// Can another user reach a path: every directory above it must let them through.

import { realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import type { ServerUser } from './server-user.js';

/**
 * True when `user` may read (and for a directory enter) `path` and search every directory above it.
 * Judged by mode bits alone: access lists and supplementary groups are ignored, so a "no" may be too strict
 * (then a private copy is made) but a "yes" is a yes.
 */
export function canReach(path: string, user: ServerUser): boolean {
  let current: string;
  try {
    current = realpathSync(path);
  } catch {
    return false;
  }
  return allows(current, user, statSync(current).isDirectory() ? 5 : 4) && canEnter(dirname(current), user);
}

/** True when `user` may search the directory and every one above it; judged as above. */
export function canEnter(directory: string, user: ServerUser): boolean {
  for (let current = realpathSync(directory); ; current = dirname(current)) {
    if (!allows(current, user, 1)) return false;
    if (current === '/') return true;
  }
}

/** A directory for temporary files that `user` can reach: the usual one, or /tmp when that is private to somebody. */
export function reachableTempDir(user: ServerUser): string {
  const usual = tmpdir();
  return canReach(usual, user) ? usual : '/tmp';
}

/** The longest directory that leaves room for `/pbkfs-pg-XXXXXX/.s.PGSQL.65535` in the 107 bytes of a socket's path. */
const SOCKET_BASE_BYTES = 76;

/** The same for directories that a socket lies in. */
export function socketTempDir(user: ServerUser): string {
  const usual = reachableTempDir(user);
  return Buffer.byteLength(usual) <= SOCKET_BASE_BYTES ? usual : '/tmp';
}

function allows(path: string, user: ServerUser, bits: number): boolean {
  if (user.uid === 0) return true;
  const stat = statSync(path);
  const shift = stat.uid === user.uid ? 6 : stat.gid === user.gid ? 3 : 0;
  return ((stat.mode >> shift) & bits) === bits;
}
