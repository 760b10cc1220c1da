// Checking and repairing a diff that nobody has mounted.

import { type Chain, openCatalog, resolveChain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { refuseKernelClients } from '../../fs/kernel-clients.js';
import { createCounters } from '../../metrics/counters.js';
import { inspectDiff } from '../../overlay/fsck/inspect.js';
import type { DiffReport } from '../../overlay/fsck/report.js';
import { Overlay } from '../../overlay/overlay.js';
import { SharedState } from '../../overlay/shared/shared-state.js';
import { ownerInDiff } from '../file-owner.js';
import { resolveFuture } from '../paths.js';
import { checkWalDirectory } from '../wal-dir/wal-directory.js';
import { type Binding, checkIdentity, markClean } from './binding.js';
import { bindingIn, foreignNames } from './diff-directory.js';
import { refuseLiveCopy } from './live-copy.js';
import { acquireDiffLock, isDiffLocked } from './lock.js';
import { openRemembered } from './remembered-catalog.js';
import { isMarkedUnsafe } from './unsafe-marker.js';

export interface FsckRequest {
  readonly diff: string;
  /** Where the catalog is now; the binding's where it is missing. */
  readonly catalog?: string;
  readonly repair: boolean;
}

export interface FsckResult extends DiffReport {
  readonly diff: string;
  readonly binding: Binding;
  /** Mounted with --perf-unsafe and not cleanly unmounted since: what an fsync promised may be missing. */
  readonly unsafe: boolean;
  /** Names in the diff that pbkfs did not make; nobody touches them. */
  readonly foreign: readonly string[];
  /** What repairing did; empty when there was nothing to do or nothing was asked for. */
  readonly repaired: readonly string[];
}

/**
 * Says what a diff holds and whether it is sound. With `repair` it does what the next mount would do first (cut a torn
 * tail off the journal, make durable what a killed mount left, remove orphans) and ends like a clean unmount. What was
 * durable and is broken cannot be repaired; then nothing is changed.
 * @throws PbkfsError diff_busy for a mounted diff; diff_foreign for what is no diff; errors about the backup
 */
export function fsck(request: FsckRequest, warn: (message: string) => void): FsckResult {
  const diff = resolveFuture(request.diff);
  const found = bindingIn(diff);
  if (!request.repair) {
    if (isDiffLocked(diff)) throw busy(diff, found);
    refuseKernelClients(diff, false);
    refuseLiveCopy(diff, found, false);
    const chain = chainOf(found, request.catalog);
    return { ...about(diff), binding: found, ...inspect(diff, found, chain), repaired: [] };
  }
  const lock = acquireDiffLock(diff, '(pbkfs fsck)');
  try {
    // A mount that was waited for may have changed it.
    const binding = bindingIn(diff);
    refuseKernelClients(diff, false);
    refuseLiveCopy(diff, binding, false);
    const chain = chainOf(binding, request.catalog);
    checkIdentity(diff, binding, {
      ...binding.backup,
      backupId: chain.target.id,
      startTime: chain.target.startTime ?? 0,
    });
    const before = inspect(diff, binding, chain);
    const todo = repairs(before);
    if (before.damage.length > 0 || todo.length === 0) return { ...about(diff), binding, ...before, repaired: [] };
    openAndClose(diff, chain, binding, warn);
    const clean = markClean(diff, binding);
    return { ...about(diff), binding: clean, ...inspect(diff, clean, chain), repaired: todo };
  } finally {
    lock.release();
  }
}

function about(diff: string): Pick<FsckResult, 'diff' | 'unsafe' | 'foreign'> {
  return { diff, unsafe: isMarkedUnsafe(diff), foreign: foreignNames(diff) };
}

/** Of the diff's own directory, and whether its WAL is there where that lies elsewhere. */
function inspect(diff: string, { walDirectory, lastMount }: Binding, chain: Chain): DiffReport {
  const report = inspectDiff(diff, chain, lastMount.state === 'clean');
  try {
    if (walDirectory?.ready) checkWalDirectory(walDirectory, diff);
    return report;
  } catch (error) {
    return { ...report, damage: [...report.damage, (error as Error).message] };
  }
}

/** What there is to do for a diff without damage, in words. */
export function repairs({ journal, objects, orphans }: DiffReport): string[] {
  const count = (state: string): number => objects.filter((object) => object.state === state).length;
  const said: string[] = [];
  if (journal !== null && journal.tornBytes > 0) said.push(`cut ${journal.tornBytes} torn bytes off the journal`);
  if (orphans.length > 0) said.push(`remove ${orphans.length} orphaned objects`);
  if (count('unsynced') > 0) said.push(`make ${count('unsynced')} files durable`);
  if (count('never durable') > 0) said.push(`give up ${count('never durable')} files that were never synced`);
  if (journal !== null && !journal.closedCleanly) said.push('compact the journal');
  return said;
}

/** The beginning and the end of a mount, with nothing between. */
function openAndClose(diff: string, chain: Chain, binding: Binding, warn: (message: string) => void): void {
  const { mountpoint } = binding.lastMount;
  const { uid, gid } = ownerInDiff(diff, binding.lastMount);
  const shared = SharedState.create(createCounters());
  new Overlay(shared, { chain, diff, mountpoint, uid, gid, afterPowerLoss: false, warn }).close();
}

function chainOf(binding: Binding, catalogPath: string | undefined): Chain {
  const { instance, backupId } = binding.backup;
  const catalog = catalogPath === undefined ? openRemembered(binding.catalog) : openCatalog(catalogPath);
  return resolveChain(catalog, instance, backupId, { force: true, purpose: 'read' });
}

function busy(diff: string, binding: Binding): PbkfsError {
  return new PbkfsError('diff_busy', `the diff ${diff} is in use`, {
    hint: `it was last mounted on ${binding.lastMount.mountpoint}: unmount it first`,
  });
}
