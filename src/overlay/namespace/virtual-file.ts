// Files that pbkfs itself shows below the hidden directory: their content is made when they are looked up.

import { emptyAttributes } from '../shared/file-table.js';
import { Inode, S_IFREG } from './inode.js';

/** Inode number of the status file, out of reach of backup and diff numbers. */
export const STATUS_INO = 2 ** 50;

/** Of the directory with WAL; its files follow. */
export const FIRST_WAL_INO = 2 ** 51;

/** A read-only file with fixed content, owned by nobody's diff. */
export function virtualFile(content: Uint8Array, ino: number): Inode {
  const seconds = Math.floor(Date.now() / 1000);
  const attributes = Object.assign(emptyAttributes(), {
    ino,
    size: content.length,
    mode: S_IFREG | 0o444,
    atime: seconds,
    mtime: seconds,
    ctime: seconds,
  });
  const inode = new Inode(attributes, null, null, 1);
  inode.virtual = content;
  return inode;
}
