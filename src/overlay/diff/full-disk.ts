// A diff that cannot be opened or closed for want of room on its disk.

import { PbkfsError } from '../../errors.js';
import { shellWord } from '../../sys/shell-word.js';
import { hasCode } from './storage.js';

/** For the hint of an error that names the file system. */
export const MAKE_ROOM = 'make room on that file system and try again; a mount needs some 100 KiB';

/** Whether the disk, or the user's quota, is used up. */
export function isFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT');
}

/** The same error for whoever mounts, if it is about room; any other one as it is. @param diff its directory */
export function refusedAsFull(diff: string, error: unknown): unknown {
  if (!isFull(error)) return error;
  return new PbkfsError('diff_full', `no room on the file system of the diff ${diff}: ${(error as Error).message}`, {
    hint: `nothing is lost: ${MAKE_ROOM} ("pbkfs fsck -d ${shellWord(diff)}" needs none)`,
    cause: error,
  });
}
