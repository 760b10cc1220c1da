// What an operation on names may be asked of which inode.

import { SystemError } from '../../errors.js';
import { HIDDEN_DIRECTORY, TABLESPACES_PATH } from './hidden-directory.js';
import type { Inode } from './inode.js';

/** Bytes of a name. */
export const NAME_MAX = 255;

/** @throws ENOTDIR */
export function mustBeDirectory(inode: Inode): void {
  if (!inode.isDirectory) throw new SystemError('ENOTDIR');
}

/** Whether a rename may put `inode` in the place of `replaced`. @throws ENOTDIR, EISDIR */
export function mustBeReplaceable(inode: Inode, replaced: Inode): void {
  if (inode.isDirectory && !replaced.isDirectory) throw new SystemError('ENOTDIR');
  if (!inode.isDirectory && replaced.isDirectory) throw new SystemError('EISDIR');
}

/** @param name latin1, one character a byte @throws ENAMETOOLONG */
export function mustBeShort(name: string): void {
  if (name.length > NAME_MAX) throw new SystemError('ENAMETOOLONG');
}

/**
 * Whether a directory may get, change or lose this name.
 * @param isTablespace it is the name of a tablespace's directory
 * @throws ENOTDIR, ENOENT for a directory that is gone, ENAMETOOLONG, EPERM for what pbkfs keeps for itself
 */
export function mustAccept(root: Inode, directory: Inode, name: string, isTablespace = false): void {
  mustBeDirectory(directory);
  if (directory.links === 0) throw new SystemError('ENOENT');
  mustBeShort(name);
  if (directory.virtual !== null) throw new SystemError('EPERM');
  if (directory === root && name === HIDDEN_DIRECTORY) throw new SystemError('EPERM');
  const path = directory.base?.alias;
  if (path === HIDDEN_DIRECTORY || (path === TABLESPACES_PATH && !isTablespace)) throw new SystemError('EPERM');
}
