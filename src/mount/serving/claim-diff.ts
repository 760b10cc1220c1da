// The diff of a mount that is about to begin: locked, looked at once more, and marked as mounted; or left as it was.

import { readdirSync } from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { forgetClients, hasKernelClients, refuseKernelClients } from '../../fs/kernel-clients.js';
import { given } from '../../given.js';
import { refuseLostJournal } from '../../overlay/diff/index.js';
import { type BackupIdentity, type Binding, checkIdentity, refuseWithoutWal } from '../diff/binding.js';
import { createDiff, type DiffDirectory, discardFreshDiff, findDiffToMount } from '../diff/diff-directory.js';
import { refuseLiveCopy } from '../diff/live-copy.js';
import { acquireDiffLock } from '../diff/lock.js';
import { refuseUnsafeDiff } from '../diff/unsafe-marker.js';
import type { MountRequest } from '../request.js';
import { chooseWalDirectory } from '../wal-dir/wal-directory.js';
import { type Claim, type ClaimedDiff, LockedDiff } from './locked-diff.js';
import type { CheckedPaths } from './preflight.js';

export type { ClaimedDiff };

/**
 * @param before what the diff was at the first look
 * @throws PbkfsError with the reason; the diff is as before then
 */
export function claimDiff(
  paths: CheckedPaths & { readonly diff: string },
  backup: BackupIdentity,
  before: DiffDirectory,
  request: MountRequest,
): ClaimedDiff {
  const created = before.kind === 'absent';
  if (created) createDiff(paths.diff);
  const lock = acquireDiffLock(paths.diff, paths.mountpoint);
  let claimed: LockedDiff;
  try {
    claimed = new LockedDiff(lookAgain({ request, paths, backup, lock, created, there: readdirSync(paths.diff) }));
  } catch (error) {
    lock.release();
    throw error;
  }
  try {
    claimed.begin();
  } catch (error) {
    claimed.rollback();
    throw error;
  }
  return claimed;
}

/** Only with the lock can nobody else change it: another mount may have come and gone since the first look. */
function lookAgain(claim: Claim): Claim {
  const { diff } = claim.paths;
  const now = findDiffToMount(diff);
  try {
    return { ...claim, ...checkDiff(claim, now.kind === 'bound' ? now.binding : undefined) };
  } catch (error) {
    if (claim.created && now.kind === 'empty') discardFreshDiff(diff, claim);
    throw error;
  }
}

/** @throws PbkfsError with the reason why this mount may not use it */
function checkDiff({ request, paths, backup }: Claim, previous: Binding | undefined): Pick<Claim, 'previous' | 'wal'> {
  const { diff, walDir } = paths;
  if (previous !== undefined) {
    checkIdentity(diff, previous, backup);
    checkReuse(diff, previous, request);
  }
  if (!request.force) {
    refuseKernelClients(diff, true);
    refuseUnsafeDiff(diff);
    if (previous !== undefined) refuseLiveCopy(diff, previous, true);
  }
  if (!hasKernelClients(diff)) forgetClients(diff);
  refuseLostJournal(diff, previous?.lastMount.state === 'clean');
  const wal = chooseWalDirectory(walDir, previous?.walDirectory, diff);
  if (wal?.ready === false && request.backend === 'fuse-native') throw noExchange();
  return given({ previous, wal });
}

/** What a diff's earlier mounts do not allow this one. @throws PbkfsError usage, diff_not_resumable */
export function checkReuse(diff: string, binding: Binding, request: MountRequest): void {
  refuseWithoutWal(diff, binding);
  if (request.noWal) {
    throw new PbkfsError('usage', `the diff ${diff} has been mounted before: --no-wal would make it useless`, {
      hint: 'give another, new diff directory',
    });
  }
}

function noExchange(): PbkfsError {
  return new PbkfsError('usage', '--wal-dir needs the backend kernel at the mount that moves the WAL', {
    hint: 'mount the diff once without --backend fuse-native',
  });
}
