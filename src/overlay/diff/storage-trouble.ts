// A diff that cannot be opened or closed because its disk is full or fails.

import { PbkfsError } from '../../errors.js';
import { shellWord } from '../../sys/shell-word.js';
import { hasCode } from './storage.js';

/** For the hint of an error that names the file system. */
export const MAKE_ROOM = 'make room on that file system and try again; a mount needs some 100 KiB';

/** Whether the disk, or the user's quota, is used up. */
export function isFull(error: unknown): boolean {
  return hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT');
}

/** What a disk or a file server that fails answers with. */
const FAILURES = ['EIO', 'ESTALE', 'ETIMEDOUT'];

/** The same error for whoever mounts, if it is about room or a failing disk; any other one as it is. @param diff its directory */
export function refusedByStorage(diff: string, error: unknown): unknown {
  const isFailing = !(error instanceof PbkfsError) && FAILURES.some((code) => hasCode(error, code));
  if (isFailing) {
    return new PbkfsError('mount_failed', `the storage of the diff ${diff} fails: ${(error as Error).message}`, {
      hint: 'look at the disk and the log of the kernel, then mount again: what was synced is in the diff',
      cause: error,
    });
  }
  if (!isFull(error)) return error;
  return new PbkfsError('diff_full', `no room on the file system of the diff ${diff}: ${(error as Error).message}`, {
    hint: `nothing is lost: ${MAKE_ROOM} ("pbkfs fsck -d ${shellWord(diff)}" needs none)`,
    cause: error,
  });
}
