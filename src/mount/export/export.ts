// Writing the merged tree of a mount or of a diff as a plain data directory.

import { type Chain, displayPath, openChain, resolveChain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { hasKernelClients, refuseKernelClients } from '../../fs/kernel-clients.js';
import { isFull } from '../../overlay/diff/index.js';
import { Overlay } from '../../overlay/overlay.js';
import { isOurs, mountOn } from '../../sys/mountinfo.js';
import { lockChain } from '../chain-lock/chain-lock.js';
import { type Binding, markClean, refuseWithoutWal } from '../diff/binding.js';
import { bindingIn } from '../diff/diff-directory.js';
import { refuseLiveCopy } from '../diff/live-copy.js';
import { acquireDiffLock } from '../diff/lock.js';
import { openRemembered } from '../diff/remembered-catalog.js';
import { refuseUnsafeDiff } from '../diff/unsafe-marker.js';
import { ownerInDiff } from '../file-owner.js';
import { findServing, type Mounted } from '../mounted.js';
import { findServers } from '../orphaned-server.js';
import { resolveFuture, resolveMountpoint } from '../paths.js';
import { chainOf } from '../status/info.js';
import { readStatus } from '../status/stat.js';
import { WalDirectory } from '../wal-dir/wal-directory.js';
import { exportMemory } from './memory.js';
import { recoveryToCome } from './recovery-to-come.js';
import type { Exported, ExportRequest } from './request.js';
import { discard, refuseWithin } from './target.js';
import { MountedTree, OverlayTree } from './tree-source.js';
import { write } from './write.js';

/**
 * @throws PbkfsError export_failed, with nothing left in the target; diff_busy, diff_foreign, not_mounted; mount_busy for
 * a mount that a server runs on or that was written to meanwhile, unless `force` is set
 */
export async function exportTree(request: ExportRequest): Promise<Exported> {
  const to = resolveFuture(request.to);
  const mountpoint = mountedOn(request.from);
  return mountpoint === undefined ? exportDiff(request, to) : exportMount(request, findServing(mountpoint), to);
}

function warnOfRecovery(request: ExportRequest, to: string, catalog?: string, instance?: string): void {
  const warning = recoveryToCome(to, catalog, instance);
  if (warning !== undefined) request.warn(warning);
}

async function exportMount(request: ExportRequest, mounted: Mounted, to: string): Promise<Exported> {
  const { mountpoint, entry, owner } = mounted;
  for (const directory of [mountpoint, owner?.diff, owner?.catalog]) refuseWithin(directory, to);
  const servers = findServers(entry);
  if (servers.length > 0 && !request.force) {
    const list = servers.map(({ pid }) => `process ${pid}`).join(', ');
    throw new PbkfsError('mount_busy', `a PostgreSQL server runs on ${mountpoint}: ${list}`, {
      hint: 'stop it, or use pg_basebackup (not where there are tablespaces); with --force files are copied while it changes them, which is no better than what a crash leaves',
    });
  }
  const tablespaces = mapTablespaces(request, () => chainOf(mounted));
  const before = await changesOf(mounted);
  // The lock file of a server that runs would keep another from starting on the copy.
  const without = new Set(servers.length > 0 ? ['postmaster.pid', 'postmaster.opts'] : []);
  const tree = new MountedTree(mountpoint);
  const result = await write(request, tree, { to, mountpoint, tablespaces, without }, null);
  if ((await changesOf(mounted)) !== before || tree.hasChanged()) {
    const said = `${mountpoint} was written to while it was copied: the copy is of no single moment`;
    if (!request.force) {
      discard(to, tablespaces);
      throw new PbkfsError('mount_busy', said, { hint: 'stop whoever writes and try again, or use --force' });
    }
    request.warn(said);
  }
  warnOfRecovery(request, to, owner?.catalog, owner?.instance);
  return { from: mountpoint, ...result };
}

async function exportDiff(request: ExportRequest, to: string): Promise<Exported> {
  const diff = resolveFuture(request.from);
  exportable(request, diff, to);
  const lock = acquireDiffLock(diff, WHO);
  let wal: WalDirectory | undefined;
  try {
    // A mount that was waited for may have changed it.
    const binding = exportable(request, diff, to);
    if (binding.unwritten !== undefined) request.warn(UNCONFIGURED);
    if (!request.force) {
      refuseKernelClients(diff, true);
      refuseLiveCopy(diff, bindingIn(diff), true);
    }
    const written = request.force && hasKernelClients(diff);
    wal = walOf(diff, binding);
    const { instance, backupId } = binding.backup;
    const catalog = openRemembered(binding.catalog, 'mount the diff once with its new place (-B), then export it');
    const chain = resolveChain(catalog, instance, backupId, { force: true, purpose: 'read' });
    const chainLock = await lockChain(chain);
    try {
      for (const warning of chainLock.warnings) request.warn(warning);
      const { result, settled } = await writeOverlay(request, diff, { ...binding, written }, chain, to);
      warnOfRecovery(request, to, binding.catalog, instance);
      if (settled && !written) endAsRoomAllows(() => void markClean(diff, binding), request.warn);
      return { from: diff, ...result };
    } finally {
      await chainLock.release();
    }
  } finally {
    wal?.release();
    lock.release();
  }
}

/** @returns its binding. @throws PbkfsError for what is no diff, and for one that is not to be copied */
function exportable({ force }: ExportRequest, diff: string, to: string): Binding {
  const binding = bindingIn(diff, 'neither a mount nor a diff', WHAT_TO_GIVE);
  if (!force) {
    refuseUnsafeDiff(diff);
    refuseWithoutWal(diff, binding, '--force exports it all the same, without the WAL');
  }
  for (const directory of [diff, binding.catalog, binding.walDirectory?.path]) refuseWithin(directory, to);
  return binding;
}

/** Opens the diff as a mount would, without one; programs may go on writing into it. `settled`: it could be put in order at the end. */
async function writeOverlay(
  request: ExportRequest,
  diff: string,
  { lastMount, written }: Pick<Binding, 'lastMount'> & { readonly written: boolean },
  chain: Chain,
  to: string,
): Promise<{ result: Omit<Exported, 'from'>; settled: boolean }> {
  const { warn } = request;
  const { mountpoint } = lastMount;
  const { uid, gid } = ownerInDiff(diff, lastMount);
  const shared = exportMemory();
  const overlay = new Overlay(shared, { chain, diff, mountpoint, uid, gid, afterPowerLoss: false, warn });
  let result: Omit<Exported, 'from'>;
  let settled: boolean;
  try {
    const tablespaces = mapTablespaces(request, () => chain);
    const where = { to, mountpoint, tablespaces, without: new Set<string>() };
    const engine = { shared: shared.buffers, objects: `${diff}/objects`, verify: 'checksum' as const };
    result = await write(request, new OverlayTree(overlay), where, engine);
  } finally {
    settled = endAsRoomAllows(() => overlay.close(written), warn);
  }
  return { result, settled };
}

const WHO = '(pbkfs export)';

const WHAT_TO_GIVE = 'give a mount point ("pbkfs list" shows them), or the directory that was given to mount with -d';

const UNCONFIGURED =
  'the copy has no recovery settings: the mount that was to write them into the diff ended before; mount the diff once, then export it anew';

/** The copy is none the worse for a diff that cannot be put in order, since its disk is full: the next mount does that. */
function endAsRoomAllows(step: () => void, warn: (message: string) => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    const full = isFull(error) || (error instanceof PbkfsError && error.code === 'diff_full');
    if (!full) throw error;
    warn(`${(error as Error).message}; the diff stays as it was, and the next mount has to recover it`);
    return false;
  }
}

/** The directory of its own that holds the diff's WAL, if one does; nobody else may use it meanwhile. */
function walOf(diff: string, { walDirectory }: Binding): WalDirectory | undefined {
  return walDirectory?.ready ? WalDirectory.claim(walDirectory, diff, WHO) : undefined;
}

/** Tablespaces that go elsewhere, by oid. */
function mapTablespaces({ tablespaces }: ExportRequest, chain: () => Chain): Map<string, string> {
  if (tablespaces.length === 0) return new Map();
  const known = openChain(chain()).tablespaces();
  return new Map(
    tablespaces.map(([from, to]) => {
      const oid = known.has(from) ? from : [...known].find(([, directory]) => displayPath(directory) === from)?.[0];
      if (oid !== undefined) return [oid, to] as const;
      const list = [...known].map(([id, directory]) => `${displayPath(directory)} (${id})`).join(', ');
      throw new PbkfsError('usage', `the backup has no tablespace ${from}`, {
        hint: list === '' ? 'it has none at all' : `it has ${list}`,
      });
    }),
  );
}

/** Everything that changes a file or a name and comes to the mount's process; stands still while nobody writes. */
const CHANGES = [
  'write',
  'setattr',
  'create',
  'mkdir',
  'mknod',
  'symlink',
  'link',
  'unlink',
  'rmdir',
  'rename',
  'fallocate',
];

async function changesOf(mounted: Mounted): Promise<number> {
  const { counters } = await readStatus(mounted);
  return CHANGES.reduce((sum, name) => sum + (counters[name] ?? 0), 0);
}

/** The mount point if one of our mounts is on it. */
function mountedOn(path: string): string | undefined {
  try {
    const mountpoint = resolveMountpoint(path);
    const mount = mountOn(mountpoint);
    return mount !== undefined && isOurs(mount) ? mountpoint : undefined;
  } catch {
    return undefined;
  }
}
