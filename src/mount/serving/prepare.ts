// From a request to a locked diff and a checked chain: every refusal happens here, before anything has changed.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalog, type Chain, openCatalog, resolveChain } from '../../backup/index.js';
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
import { createDiff, type DiffDirectory, discardFreshDiff, inspectDiff, LOG_FILE } from '../diff/diff-directory.js';
import { acquireDiffLock } from '../diff/lock.js';
import { openRemembered } from '../diff/remembered-catalog.js';
import { clearUnsafe, isMarkedUnsafe, markUnsafe, refuseUnsafeDiff } from '../diff/unsafe-marker.js';
import { ownerOf } from '../file-owner.js';
import { resolveFuture } from '../paths.js';
import { registryLogFile } from '../registry-log.js';
import type { MountRequest } from '../request.js';
import { chooseWalDirectory, type WalBinding, WalDirectory } from '../wal-dir/wal-directory.js';
import { type CheckedPaths, checkPaths } from './preflight.js';

/** A mount that may begin. The diff stays locked until the process ends or `rollback` is called. */
export interface PreparedMount {
  readonly paths: CheckedPaths;
  readonly chain: Chain;
  /** Nothing has been written to the diff yet. */
  readonly fresh: boolean;
  /**
   * Reads the control files again once the chain is locked.
   * @throws PbkfsError when the chain may not be mounted any more, or is another one
   */
  recheck(): Chain;
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
 * @param logsToTerminal no log file unless the request names one
 * @throws PbkfsError with the reason; directories and diff are as before then
 */
export function prepareMount(request: MountRequest, logsToTerminal: boolean): PreparedMount {
  if (request.diff === undefined) return prepareReadOnly(request, logsToTerminal);
  refuseWithPassthrough(request);
  const diff = resolveFuture(request.diff);
  const before = inspectDiff(diff);
  const source = sourceOf(request, diff, before);
  const catalog = request.catalog === undefined ? openRemembered(source.catalog) : openCatalog(source.catalog);
  const chain = resolveChain(catalog, source.instance, source.backupId, { force: request.force });
  const backup = identityOf(catalog, chain);
  if (before.kind === 'bound') checkIdentity(diff, before.binding, backup);
  const logFile = request.logFile ?? (logsElsewhere(request, logsToTerminal) ? undefined : join(diff, LOG_FILE));
  const bound = before.kind === 'bound' ? before.binding : undefined;
  if (bound !== undefined) checkReuse(diff, bound, request);
  const walDir = request.walDir ?? bound?.walDirectory?.path;
  const paths = checkPaths({
    mountpoint: request.mountpoint,
    catalog: catalog.path,
    diff,
    ...(walDir === undefined ? {} : { walDir }),
    ...(logFile === undefined ? {} : { logFile }),
    ...(request.pidFile === undefined ? {} : { pidFile: request.pidFile }),
  });
  const recheck = (): Chain => sameChain(chain, resolveChain(catalog, chain.instance, chain.target.id, request));
  return { ...claimDiff({ ...paths, diff }, chain, backup, before, request), recheck };
}

/** Whether there is no need for a log file. */
function logsElsewhere({ log }: MountRequest, logsToTerminal: boolean): boolean {
  return logsToTerminal || log?.sink === 'journald';
}

/** Without a diff there is nothing to claim. */
function prepareReadOnly(request: MountRequest, logsToTerminal: boolean): PreparedMount {
  const { instance, backupId } = request;
  if (request.catalog === undefined || instance === undefined || backupId === undefined) {
    throw new PbkfsError('usage', 'a read-only mount has no diff that knows its backup: -B, -I and -i must be given');
  }
  const catalog = openCatalog(request.catalog);
  const chain = resolveChain(catalog, instance, backupId, { force: request.force });
  const elsewhere = request.logFile !== undefined || logsElsewhere(request, logsToTerminal);
  const ownLog = elsewhere ? undefined : registryLogFile(request.mountpoint);
  const logFile = request.logFile ?? ownLog;
  const paths = checkPaths({
    mountpoint: request.mountpoint,
    catalog: catalog.path,
    ...(logFile === undefined ? {} : { logFile }),
    ...(request.pidFile === undefined ? {} : { pidFile: request.pidFile }),
  });
  // There is nothing to ask it then.
  const forget = (): void => {
    if (ownLog !== undefined) rmSync(ownLog, { force: true });
  };
  return {
    paths,
    chain,
    fresh: false,
    recheck: () => sameChain(chain, resolveChain(catalog, instance, chain.target.id, request)),
    mark: (state) => {
      if (state === 'clean') forget();
    },
    willWrite: () => undefined,
    madeReady: () => undefined,
    keepSpare: () => undefined,
    rollback: forget,
  };
}

type Claimed = Omit<PreparedMount, 'recheck'>;

function claimDiff(
  paths: CheckedPaths & { diff: string },
  chain: Chain,
  backup: BackupIdentity,
  before: DiffDirectory,
  request: MountRequest,
): Claimed {
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
    paths,
    chain,
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

/** The kernel writes without asking: nothing of ours can be in the way. */
function refuseWithPassthrough({ passthrough, diffLimit, backend }: MountRequest): void {
  if (!passthrough || (diffLimit === undefined && backend !== 'fuse-native')) return;
  const other = diffLimit === undefined ? '--backend fuse-native' : '--diff-limit';
  throw new PbkfsError('usage', `--passthrough and ${other} exclude each other`, {
    hint: 'with --passthrough the kernel writes without asking pbkfs: leave one of the two out',
  });
}

/** What a diff's earlier mounts do not allow this one. */
function checkReuse(diff: string, binding: Binding, request: MountRequest): void {
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

function sameChain(before: Chain, now: Chain): Chain {
  const directories = (chain: Chain): string => chain.members.map((member) => member.directory).join('\n');
  if (directories(before) === directories(now)) return now;
  throw new PbkfsError('chain_changed', `the chain of backup ${now.target.id} was changed while it was being locked`, {
    hint: 'a merge has just ended, most likely: mount again',
  });
}

interface Source {
  readonly catalog: string;
  readonly instance: string;
  readonly backupId: string;
}

function sourceOf(request: MountRequest, diff: string, found: DiffDirectory): Source {
  const bound: Binding | undefined = found.kind === 'bound' ? found.binding : undefined;
  const catalog = request.catalog ?? bound?.catalog;
  const instance = request.instance ?? bound?.backup.instance;
  const backupId = request.backupId ?? bound?.backup.backupId;
  if (catalog !== undefined && instance !== undefined && backupId !== undefined) return { catalog, instance, backupId };
  const missing = [
    catalog === undefined ? '-B CATALOG' : '',
    instance === undefined ? '-I INSTANCE' : '',
    backupId === undefined ? '-i BACKUP_ID' : '',
  ].filter((option) => option !== '');
  const why = found.kind === 'absent' ? 'does not exist yet' : 'has not been mounted before';
  throw new PbkfsError('usage', `the diff ${diff} ${why}: ${missing.join(' ')} must be given`, {
    hint: 'only a diff that was mounted before knows its backup',
  });
}

function identityOf(catalog: Catalog, chain: Chain): BackupIdentity {
  const { target, instance } = chain;
  return {
    instance,
    backupId: target.id,
    startTime: target.startTime ?? 0,
    systemIdentifier: catalog.config(instance).systemIdentifier ?? '',
  };
}
