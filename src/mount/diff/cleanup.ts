// Wiping a diff: only what pbkfs made, only when nobody uses it, and in an order that survives being cut off.

import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { counted } from '../../counted.js';
import { PbkfsError } from '../../errors.js';
import { refuseKernelClients } from '../../fs/kernel-clients.js';
import { inspectJournal } from '../../overlay/fsck/inspect.js';
import { syncDirectory } from '../../sys/durable-file.js';
import { bytesOnDisk } from '../disk-usage.js';
import { resolveFuture } from '../paths.js';
import { isOwnWalDirectory, type WalBinding, WalDirectory } from '../wal-dir/wal-directory.js';
import type { Binding } from './binding.js';
import { bindingIn, foreignNames, OWN_NAMES } from './diff-directory.js';
import { acquireDiffLock, LOCK_FILE } from './lock.js';

export interface Cleaned {
  /** Absolute path of the diff. */
  readonly diff: string;
  /** Missing for a diff whose binding is damaged. */
  readonly binding: Binding | undefined;
  /** Files with data that were in it. */
  readonly objects: number;
  /** Disk space that it took, without WAL that lay elsewhere. */
  readonly bytes: number;
  /** The directory of --wal-dir, where it had one: left if it is missing, or not marked as this diff's. */
  readonly wal: { readonly directory: string; readonly wiped: boolean } | undefined;
  /** Names that pbkfs did not make: they stay, and so does the directory. */
  readonly left: readonly string[];
}

/**
 * Removes a diff and everything in it.
 * @param force also when writes, or what may be some, are lost; what somebody is still writing is not wiped even then
 * @throws PbkfsError diff_busy for one in use, also by clients of a killed mount; diff_foreign for what is no diff;
 * diff_not_empty without `force`
 */
export function cleanup(path: string, force: boolean): Cleaned {
  const diff = resolveFuture(path);
  readable(diff, force);
  const lock = acquireDiffLock(diff, WHO);
  try {
    // A mount that was waited for may have changed it.
    const { binding, damage } = readable(diff, force);
    refuseKernelClients(diff, false);
    const objects = countObjects(diff);
    const bytes = bytesOnDisk(diff) ?? 0;
    const why = damage ?? (holdsChanges(diff) ? `it holds what was written to backup ${binding!.backup.backupId}` : '');
    if (why !== '' && !force) {
      throw new PbkfsError('diff_not_empty', `the diff ${diff} is not wiped: ${why} (${counted(objects, 'file')})`, {
        hint: '--force wipes it all the same; nothing brings its content back',
      });
    }
    const elsewhere = binding?.walDirectory;
    const wal = elsewhere && { directory: elsewhere.path, wiped: wipeWal(elsewhere, diff) };
    // The lock's name goes while it is held: whoever waits for it looks whether it still is the file of that name.
    for (const name of OWN_NAMES) {
      rmSync(join(diff, name), { recursive: true, force: true });
      if (name === 'journal.new') syncDirectory(diff);
    }
    const left = foreignNames(diff);
    if (readdirSync(diff).length === 0) removeDirectory(diff);
    else syncDirectory(diff);
    return { diff, binding, objects, bytes, wal, left };
  } finally {
    lock.release();
  }
}

/**
 * Before the diff: a kill leaves one that still says what to clean. A directory that is missing or of others is left alone.
 * @returns whether it was wiped
 */
function wipeWal(wal: WalBinding, diff: string): boolean {
  if (!isOwnWalDirectory(wal)) return false;
  WalDirectory.claim({ ...wal, ready: false }, diff, WHO).wipe();
  return true;
}

const WHO = '(pbkfs cleanup)';

const NOTHING_REMOVED = 'nothing was removed';

function readable(diff: string, force: boolean): { binding: Binding | undefined; damage: string | undefined } {
  try {
    return { binding: bindingIn(diff), damage: undefined };
  } catch (error) {
    if (!(error instanceof PbkfsError)) throw error;
    if (error.code === 'diff_foreign') throw new PbkfsError(error.code, error.message, { hint: NOTHING_REMOVED });
    if (error.code !== 'diff_damaged') throw error;
    // A damaged binding may be anybody's file of that name: what lies beside it tells.
    const looksLikeOurs = existsSync(join(diff, 'objects')) && existsSync(join(diff, LOCK_FILE));
    if (!looksLikeOurs) {
      throw new PbkfsError('diff_foreign', `${diff} is not a pbkfs diff: ${error.message}`, { hint: NOTHING_REMOVED });
    }
    if (!force) throw new PbkfsError(error.code, error.message, { hint: '--force wipes the diff all the same' });
    return { binding: undefined, damage: error.message };
  }
}

/** Whether anything was written: a name, an attribute or data. What cannot be read may hold something. */
function holdsChanges(diff: string): boolean {
  if (!existsSync(join(diff, 'journal'))) return countObjects(diff) > 0;
  try {
    return inspectJournal(diff).changes > 0;
  } catch {
    return true;
  }
}

function countObjects(diff: string): number {
  try {
    return readdirSync(join(diff, 'objects')).filter((name) => !name.endsWith('.map')).length;
  } catch {
    return 0;
  }
}

/** The diff may be a file system of its own, or its parent not ours to change: then an empty directory stays. */
function removeDirectory(diff: string): void {
  try {
    rmdirSync(diff);
  } catch {
    syncDirectory(diff);
  }
}
