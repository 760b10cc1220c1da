// Files and directories that nobody but this user (and root) can have put there or changed: in a place that others may write to,
// somebody else may have made one of that name first.

import { lstatSync, type Stats } from 'node:fs';

/** Whether a directory is this user's, and nobody else may write to it; not for a link. */
export function isPrivateDirectory(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && isOwnAlone(stats);
}

/** Whether what stat said is this user's, and nobody else may write to it. */
export function isOwnAlone({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}
