// Writing the merged tree of a mount or of a diff as a plain data directory.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Chain, openCatalog, openChain, resolveChain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { createCounters } from '../../metrics/counters.js';
import { Overlay } from '../../overlay/overlay.js';
import { SharedState } from '../../overlay/shared/shared-state.js';
import { utimensat } from '../../sys/libc.js';
import { lockChain } from '../chain-lock/chain-lock.js';
import { inspectDiff } from '../diff-directory.js';
import { chainOf } from '../info.js';
import { acquireDiffLock } from '../lock.js';
import { findServing, type Mounted } from '../mounted.js';
import { isOurs, mountAt, readMounts } from '../mountinfo.js';
import { findServers } from '../orphaned-server.js';
import { bytesOf, isWithin, resolveFuture, resolveMountpoint, textOf } from '../paths.js';
import { readStatus } from '../stat.js';
import { refuseUnsafeDiff } from '../unsafe-marker.js';
import { fromWire, type WireError } from '../wire-error.js';
import { type Plan, planExport } from './plan.js';
import { type Attributes, bytes, MountedTree, OverlayTree, type TreeSource } from './tree-source.js';
import copyBatch, { type CopyBatch } from './worker.js';

export interface ExportRequest {
  /** Mount point, or diff of a mount that has ended. */
  readonly from: string;
  /** New or empty. */
  readonly to: string;
  readonly jobs: number;
  /** Of a mount that is being written to. */
  readonly force: boolean;
  readonly sync: boolean;
  /** Original directory or oid of a tablespace, and its new directory (absolute). */
  readonly tablespaces: readonly (readonly [from: string, to: string])[];
  progress?(done: number, total: number): void;
  warn(message: string): void;
}

export interface Exported {
  readonly from: string;
  readonly to: string;
  readonly files: number;
  /** Sum of their lengths. */
  readonly bytes: number;
  /** Tablespaces that went elsewhere: oid and directory. */
  readonly tablespaces: Readonly<Record<string, string>>;
}

/**
 * @throws PbkfsError export_failed, with nothing left in the target; diff_busy, diff_foreign, not_mounted; mount_busy for
 * a mount that a server runs on or that was written to meanwhile, unless `force` is set
 */
export async function exportTree(request: ExportRequest): Promise<Exported> {
  const to = resolveFuture(request.to);
  const mountpoint = mountedOn(request.from);
  return mountpoint === undefined ? exportDiff(request, to) : exportMount(request, findServing(mountpoint), to);
}

async function exportMount(request: ExportRequest, mounted: Mounted, to: string): Promise<Exported> {
  const { mountpoint, entry, owner } = mounted;
  for (const directory of [mountpoint, owner?.diff, owner?.catalog]) refuseWithin(directory, to);
  const servers = findServers(entry);
  if (servers.length > 0 && !request.force) {
    const list = servers.map(({ pid }) => `process ${pid}`).join(', ');
    throw new PbkfsError('mount_busy', `a PostgreSQL server runs on ${mountpoint}: ${list}`, {
      hint: 'stop it, or use pg_basebackup; with --force files are copied while it changes them, which is no better than what a crash leaves',
    });
  }
  const tablespaces = mapTablespaces(request, () => chainOf(mounted));
  const before = changesOf(mounted);
  // The lock file of a server that runs would keep another from starting on the copy.
  const without = new Set(servers.length > 0 ? ['postmaster.pid', 'postmaster.opts'] : []);
  const result = await write(request, new MountedTree(mountpoint), { to, mountpoint, tablespaces, without }, null);
  if (changesOf(mounted) === before) return { from: mountpoint, ...result };
  const said = `${mountpoint} was written to while it was copied: the copy is of no single moment`;
  if (request.force) request.warn(said);
  else {
    discard(to, tablespaces);
    throw new PbkfsError('mount_busy', said, { hint: 'stop whoever writes and try again, or use --force' });
  }
  return { from: mountpoint, ...result };
}

async function exportDiff(request: ExportRequest, to: string): Promise<Exported> {
  const diff = resolveFuture(request.from);
  const found = inspectDiff(diff);
  if (found.kind !== 'bound') {
    throw new PbkfsError(
      'diff_foreign',
      `${diff} ${found.kind === 'empty' ? 'is empty' : 'does not exist'}: neither a mount nor a diff`,
    );
  }
  const { binding } = found;
  if (!request.force) refuseUnsafeDiff(diff);
  for (const directory of [diff, binding.catalog]) refuseWithin(directory, to);
  const lock = acquireDiffLock(diff, '(pbkfs export)');
  try {
    const { instance, backupId } = binding.backup;
    const chain = resolveChain(openCatalog(binding.catalog), instance, backupId, { force: true });
    const chainLock = await lockChain(chain);
    try {
      for (const warning of chainLock.warnings) request.warn(warning);
      const { mountpoint } = binding.lastMount;
      const owner = quietStat(mountpoint) ?? statSync(diff);
      const shared = SharedState.create(createCounters());
      const overlay = new Overlay(shared, {
        chain,
        diff,
        mountpoint,
        uid: owner.uid,
        gid: owner.gid,
        afterPowerLoss: false,
        warn: request.warn,
      });
      try {
        const tablespaces = mapTablespaces(request, () => chain);
        const options = { to, mountpoint, tablespaces, without: new Set<string>() };
        const engine = { shared: shared.buffers, objects: `${diff}/objects`, verify: 'checksum' as const };
        return { from: diff, ...(await write(request, new OverlayTree(overlay), options, engine)) };
      } finally {
        overlay.close();
      }
    } finally {
      await chainLock.release();
    }
  } finally {
    lock.release();
  }
}

interface Where {
  readonly to: string;
  readonly mountpoint: string;
  readonly tablespaces: ReadonlyMap<string, string>;
  readonly without: ReadonlySet<string>;
}

async function write<N>(
  request: ExportRequest,
  source: TreeSource<N>,
  { to, mountpoint, tablespaces, without }: Where,
  overlay: CopyBatch['overlay'],
): Promise<Omit<Exported, 'from'>> {
  for (const directory of [to, ...tablespaces.values()]) prepare(directory);
  try {
    const plan = planExport(source, {
      directory: bytesOf(to),
      mountpoint: bytesOf(mountpoint),
      tablespaces: new Map([...tablespaces].map(([oid, directory]) => [oid, bytesOf(directory)])),
      without,
    });
    for (const name of plan.skipped) request.warn(`${textOf(name)} is neither file, directory nor link: left out`);
    const chown = process.geteuid?.() === 0;
    for (const { to: path } of plan.directories) mkdirSync(bytes(path), { recursive: true, mode: 0o700 });
    for (const { to: path, target, attributes } of plan.links) {
      symlinkSync(bytes(target), bytes(path));
      if (chown) lchownSync(bytes(path), attributes.uid, attributes.gid);
      utimensat(bytes(path), attributes.atime, attributes.mtime);
    }
    await copyFiles(plan, request, chown, overlay);
    for (const { to: path, attributes } of plan.directories.toReversed()) finish(path, attributes, chown, request.sync);
    if (request.sync)
      for (const directory of [to, ...tablespaces.values()]) syncPath(bytes(bytesOf(dirname(directory))));
    const files = plan.files.length + plan.last.length;
    return { to, files, bytes: plan.bytes, tablespaces: Object.fromEntries(tablespaces) };
  } catch (error) {
    discard(to, tablespaces);
    throw error;
  }
}

/** Files go to the workers in batches of about this many bytes, and never more than so many files. */
const BATCH_BYTES = 8 << 20;
const BATCH_FILES = 128;
const PROGRESS_MS = 200;

async function copyFiles(
  plan: Plan,
  request: ExportRequest,
  chown: boolean,
  overlay: CopyBatch['overlay'],
): Promise<void> {
  const done = new SharedArrayBuffer(8);
  const common = { done, sync: request.sync, chown, overlay };
  const tell = (): void => request.progress?.(Number(Atomics.load(new BigUint64Array(done), 0)), plan.bytes);
  const batches = batchesOf(plan).map((files) => ({ ...common, files }));
  const threads = Math.max(1, Math.min(request.jobs, batches.length));
  const { Piscina } = await import('piscina');
  const pool = new Piscina<CopyBatch, WireError | null>({
    filename: new URL('./worker.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
  });
  const timer = setInterval(tell, PROGRESS_MS);
  try {
    for (const error of await Promise.all(batches.map((batch) => pool.run(batch)))) raise(error);
  } finally {
    clearInterval(timer);
    await pool.destroy();
  }
  raise(copyBatch({ ...common, files: plan.last }));
  tell();
}

function raise(error: WireError | null): void {
  if (error !== null) throw fromWire(error);
}

function batchesOf({ files }: Plan): Plan['files'][] {
  const batches: Plan['files'][number][][] = [];
  let bytes = BATCH_BYTES;
  // Large files first, so that none is left to a single worker at the end.
  for (const file of [...files].sort((a, b) => b.attributes.size - a.attributes.size)) {
    if (bytes >= BATCH_BYTES || batches.at(-1)!.length >= BATCH_FILES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(file);
    bytes += file.attributes.size;
  }
  return batches;
}

function finish(path: string, { mode, uid, gid, atime, mtime }: Attributes, chown: boolean, sync: boolean): void {
  const name = bytes(path);
  if (chown) lchownSync(name, uid, gid);
  chmodSync(name, mode & 0o7777);
  utimensat(name, atime, mtime);
  if (sync) syncPath(name);
}

function syncPath(path: Buffer): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws PbkfsError export_failed for a directory that is not empty */
function prepare(directory: string): void {
  let names: string[] = [];
  try {
    names = readdirSync(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new PbkfsError('export_failed', `cannot use ${directory}: ${message}`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  if (names.filter((name) => name !== 'lost+found').length === 0) return;
  throw new PbkfsError('export_failed', `${directory} is not empty`, { hint: 'give a new or empty directory' });
}

/** Leaves the directories as they were: empty. */
function discard(to: string, tablespaces: ReadonlyMap<string, string>): void {
  for (const directory of [to, ...tablespaces.values()]) {
    for (const name of readdirSync(directory)) {
      if (name !== 'lost+found') rmSync(join(directory, name), { recursive: true, force: true });
    }
  }
}

function refuseWithin(directory: string | undefined, to: string): void {
  if (directory === undefined || (!isWithin(directory, to) && !isWithin(to, directory))) return;
  throw new PbkfsError('export_failed', `${to} and ${directory} lie within each other`, {
    hint: 'mount, diff and catalog are no place for a copy',
  });
}

/** Tablespaces that go elsewhere, by oid. */
function mapTablespaces({ tablespaces }: ExportRequest, chain: () => Chain): Map<string, string> {
  if (tablespaces.length === 0) return new Map();
  const known = openChain(chain()).tablespaces();
  return new Map(
    tablespaces.map(([from, to]) => {
      const oid = known.has(from) ? from : [...known].find(([, directory]) => textOf(directory) === from)?.[0];
      if (oid !== undefined) return [oid, to] as const;
      const list = [...known].map(([id, directory]) => `${textOf(directory)} (${id})`).join(', ');
      throw new PbkfsError('usage', `the backup has no tablespace ${from}`, {
        hint: list === '' ? 'it has none at all' : `it has ${list}`,
      });
    }),
  );
}

/** Everything that changes a file or a name; stands still while nobody writes. */
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

function changesOf(mounted: Mounted): number {
  const { counters } = readStatus(mounted);
  return CHANGES.reduce((sum, name) => sum + (counters[name] ?? 0), 0);
}

/** The mount point if one of our mounts is on it. */
function mountedOn(path: string): string | undefined {
  try {
    const mountpoint = resolveMountpoint(path);
    const mount = mountAt(readMounts(), bytesOf(mountpoint));
    return mount !== undefined && isOurs(mount) ? mountpoint : undefined;
  } catch {
    return undefined;
  }
}

function quietStat(path: string): { readonly uid: number; readonly gid: number } | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
