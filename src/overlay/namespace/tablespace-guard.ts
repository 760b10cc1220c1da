// Links in pg_tblspc: one that leads out of the mount would let a replayed CREATE TABLESPACE reach production.

import { posix } from 'node:path';
import { TABLESPACES_PATH } from './hidden-directory.js';
import type { Inode } from './inode.js';
import type { Tree } from './tree.js';

/**
 * @param mountpoint absolute path of the mount point
 * @param target link text as given; relative ones count from MOUNTPOINT/pg_tblspc
 */
export function pointsOutside(mountpoint: string, target: string): boolean {
  const resolved = posix.resolve(mountpoint, 'pg_tblspc', target);
  return resolved !== mountpoint && !resolved.startsWith(`${mountpoint}/`);
}

/**
 * What a link `name` in `directory` may lead to. Where a directory of the mount stands ready for a tablespace, its link
 * leads there, whatever path the WAL names: that path is bound to it in the server's mount namespace.
 * @returns undefined when it must not be made
 */
export function tablespaceLink(
  tree: Tree,
  root: Inode,
  directory: Inode,
  name: string,
  target: string,
  mountpoint: string,
): string | undefined {
  if (tree.lookup(root, 'pg_tblspc') !== directory || !pointsOutside(mountpoint, target)) return target;
  let ready: Inode | null = root;
  for (const step of [...TABLESPACES_PATH.split('/'), name]) ready = ready && tree.lookup(ready, step);
  return ready?.isDirectory ? `../${TABLESPACES_PATH}/${name}` : undefined;
}
