// Files and directories that nobody but this user (and root) can have put there or changed: in a place that others may write to,
// somebody else may have made one of that name first.

import { lstatSync, type Stats } from 'node:fs';

/** Whether a directory is this user's, and nobody else may write to it; not for a link, nor for what cannot be looked at. */
export function isPrivateDirectory(path: string): boolean {
  try {
    const stats = lstatSync(path);
    return stats.isDirectory() && isOwnAlone(stats);
  } catch {
    // Nor there: behind what another user keeps to himself (su leaves XDG_RUNTIME_DIR as it was), nothing of ours can lie.
    return false;
  }
}

/** Whether what stat said is this user's, and nobody else may write to it. */
export function isOwnAlone({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}
