// What an operation on names may be asked of which inode.

import { SystemError } from '../../errors.js';
import type { Inode } from './inode.js';

/** @throws ENOTDIR */
export function mustBeDirectory(inode: Inode): void {
  if (!inode.isDirectory) throw new SystemError('ENOTDIR');
}

/** Whether a rename may put `inode` in the place of `replaced`. @throws ENOTDIR, EISDIR */
export function mustBeReplaceable(inode: Inode, replaced: Inode): void {
  if (inode.isDirectory && !replaced.isDirectory) throw new SystemError('ENOTDIR');
  if (!inode.isDirectory && replaced.isDirectory) throw new SystemError('EISDIR');
}
