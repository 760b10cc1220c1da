// Making everything durable that was written to a mount, whoever wrote it.

import { closeSync, fsyncSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { HIDDEN_DIRECTORY } from '../overlay/namespace/hidden-directory.js';
import { syncfs } from '../sys/libc.js';
import { findServing, type Mounted, WHO_MAY_LOOK } from './mounted.js';
import { healthOf } from './status/health.js';
import { isStopped, letGoOn } from './stopped-process.js';

/**
 * Returns when all data and names written to the mount before the call are durable in its diff. Asked for through the
 * mount itself: an fsync of its hidden directory means everything.
 * @param onHung hears why this is going to take until somebody does something about it
 * @throws PbkfsError not_mounted, no_permission; diff_sync_failed with what the log knows more about
 */
export async function syncMount(path: string, onHung: (why: string) => void): Promise<Mounted> {
  const mounted = findServing(path);
  const { mountpoint, owner } = mounted;
  // From here on nothing can be said: these calls return when the mount answers.
  if ((await healthOf(mountpoint, owner)) === 'hung') onHung(whyHung(mounted));
  try {
    // Pages of mapped files that the kernel has not written yet; it never asks the server of a mount for more.
    synced(mountpoint, syncfs);
    synced(join(mountpoint, HIDDEN_DIRECTORY), fsyncSync);
  } catch (error) {
    throw notSynced(error as NodeJS.ErrnoException, mounted);
  }
  mustBeInPlace(mounted);
  return mounted;
}

/** A diff that was removed under the mount goes on taking writes, and ends with it. */
function mustBeInPlace({ mountpoint, owner }: Mounted): void {
  if (owner?.diff === undefined || !isGone(`/proc/${owner.pid}/root${owner.diff}`)) return;
  throw new PbkfsError(
    'diff_sync_failed',
    `${mountpoint} is synced, but its diff ${owner.diff} is not there any more`,
    {
      hint: 'it was moved or removed under the mount: put it back where it was, or what was written is lost',
    },
  );
}

/** Not where this user may not look. */
function isGone(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function whyHung({ mountpoint, owner }: Mounted): string {
  if (owner !== undefined && isStopped(owner.pid)) return letGoOn(owner.pid, `process ${owner.pid} of ${mountpoint}`);
  return `${mountpoint} does not answer${owner?.logFile === undefined ? '' : `: look into its log, ${owner.logFile}`}`;
}

function synced(path: string, sync: (fd: number) => void): void {
  const fd = openSync(path, 'r');
  try {
    sync(fd);
  } finally {
    closeSync(fd);
  }
}

function notSynced(error: NodeJS.ErrnoException, { mountpoint, owner }: Mounted): PbkfsError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new PbkfsError('no_permission', `no permission to sync ${mountpoint}`, {
      hint: WHO_MAY_LOOK,
      cause: error,
    });
  }
  const log = owner?.logFile === undefined ? '' : `; see ${owner.logFile}`;
  return new PbkfsError('diff_sync_failed', `${mountpoint} could not be made durable: ${error.code}${log}`, {
    hint: 'what was written since the last sync that worked may be lost in a power cut: check the storage of the diff',
    cause: error,
  });
}
