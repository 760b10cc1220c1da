// The diff of a mount that is about to begin: locked, looked at once more, and marked as mounted; or left as it was.

import { PbkfsError } from '../../errors.js';
import { forgetClients, refuseKernelClients } from '../../fs/kernel-clients.js';
import { given } from '../../given.js';
import { isFull, keepSpare, refusedByStorage, refuseLostJournal } from '../../overlay/diff/index.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { selfIdentity } from '../../sys/process-identity.js';
import {
  type BackupIdentity,
  type Binding,
  checkIdentity,
  type MountState,
  refuseWithoutWal,
  writeBinding,
} from '../diff/binding.js';
import { createDiff, type DiffDirectory, discardFreshDiff, inspectDiff } from '../diff/diff-directory.js';
import { acquireDiffLock } from '../diff/lock.js';
import { clearUnsafe, isMarkedUnsafe, markUnsafe, refuseUnsafeDiff } from '../diff/unsafe-marker.js';
import { ownerOf } from '../file-owner.js';
import type { MountRequest } from '../request.js';
import { chooseWalDirectory, type WalBinding, WalDirectory } from '../wal-dir/wal-directory.js';
import type { CheckedPaths } from './preflight.js';

/** The diff stays locked until the process ends or `rollback` is called. */
export interface ClaimedDiff {
  /** Nothing has been written to the diff yet. */
  readonly fresh: boolean;
  /** Records in the diff's binding how this mount stands. */
  mark(state: MountState, error?: string): void;
  /** Where WAL lies outside of the mount; the lock is held as long as that of the diff. */
  readonly wal?: WalBinding;
  /** Recovery settings that an earlier mount was to write, and may not have. */
  readonly unwritten?: RecoveryConfig;
  /** Records that this mount is going to write them. */
  willWrite(recovery: RecoveryConfig): void;
  /** Records that everything a server needs is in its place: recovery settings are written, and the WAL has moved. */
  madeReady(): void;
  /** The mount is up: room on the diff's disk is kept for its end. */
  keepSpare(): void;
  /** Undoes the preparation of a mount that never came up. */
  rollback(): void;
}

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
  const { diff, mountpoint, catalog } = paths;
  const created = before.kind === 'absent';
  if (created) createDiff(diff);
  const lock = acquireDiffLock(diff, mountpoint);
  // Only now can nobody else change it; another mount may have come and gone since the first look.
  let previous: Binding | undefined;
  let wal: WalBinding | undefined;
  let unwritten: RecoveryConfig | undefined;
  let empty = false;
  try {
    const now = inspectDiff(diff);
    empty = now.kind === 'empty';
    previous = now.kind === 'bound' ? now.binding : undefined;
    if (previous !== undefined) checkIdentity(diff, previous, backup);
    if (previous !== undefined) checkReuse(diff, previous, request);
    if (!request.force) {
      refuseKernelClients(diff, true);
      refuseUnsafeDiff(diff);
    }
    forgetClients(diff);
    refuseLostJournal(diff, previous?.lastMount.state === 'clean');
    unwritten = previous?.unwritten;
    wal = chooseWalDirectory(paths.walDir, previous?.walDirectory, diff);
    if (wal?.ready === false && request.backend === 'fuse-native') throw noExchange();
  } catch (error) {
    if (created && empty) discardFreshDiff(diff, created);
    lock.release();
    throw error;
  }
  const wasUnsafe = isMarkedUnsafe(diff);
  const owner = ownerOf(request, paths.owner);
  let walDirectory: WalDirectory | undefined;
  const rollback = (): void => {
    if (!wasUnsafe) clearUnsafe(diff);
    walDirectory?.giveUp();
    if (previous === undefined) discardFreshDiff(diff, created);
    else restoreBinding(diff, previous);
    lock.release();
  };
  const mark = (state: MountState, error?: string): void => {
    const lastMount = { ...selfIdentity(), mountpoint, state, owner, ...(error === undefined ? {} : { error }) };
    // Everything is durable.
    if (state === 'clean') clearUnsafe(diff);
    try {
      writeBinding(diff, {
        catalog,
        backup,
        lastMount,
        ...(request.noWal ? { noWal: true } : {}),
        ...given({ walDirectory: wal, unwritten }),
      });
    } catch (error) {
      throw refusedByStorage(diff, error);
    }
    if (state !== 'mounted') keepSpare(diff);
  };
  const willWrite = (recovery: RecoveryConfig): void => {
    unwritten = recovery;
    mark('mounted');
  };
  const madeReady = (): void => {
    if (unwritten === undefined && wal?.ready !== false) return;
    unwritten = undefined;
    wal = wal && { ...wal, ready: true };
    mark('mounted');
  };
  try {
    mark('mounted');
    if (wal !== undefined) walDirectory = WalDirectory.claim(wal, diff, mountpoint, owner);
    if (request.perfUnsafe) markUnsafe(diff);
  } catch (error) {
    rollback();
    throw error;
  }
  return {
    fresh: previous === undefined,
    mark,
    willWrite,
    madeReady,
    keepSpare: () => keepSpare(diff),
    rollback,
    ...given({ wal, unwritten }),
  };
}

/** On a full disk the one of a mount that was killed stays, which loses nothing. */
function restoreBinding(diff: string, previous: Binding): void {
  try {
    writeBinding(diff, previous);
  } catch (error) {
    if (!isFull(error)) throw error;
  }
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
