// Writing what is planned: directories, links, files by a pool of workers, and the directories' own times last.

import { chmodSync, lchownSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { byteString, displayPath, pathBytes } from '../../backup/byte-path.js';
import { syncDirectory } from '../../sys/durable-file.js';
import { utimensat } from '../../sys/libc.js';
import { batchesOf, inPool } from '../../sys/worker-pool.js';
import { fromWire, type WireError } from '../wire-error.js';
import { interruptible } from './interruption.js';
import { type Plan, planExport } from './plan.js';
import { type Exported, type ExportRequest, MAX_JOBS } from './request.js';
import { discard, mustHaveRoom, prepare } from './target.js';
import type { Attributes, TreeSource } from './tree-source.js';
import copyBatch, { type CopyBatch } from './worker.js';

export interface Where {
  readonly to: string;
  readonly mountpoint: string;
  readonly tablespaces: ReadonlyMap<string, string>;
  readonly without: ReadonlySet<string>;
}

/** @throws PbkfsError export_failed, with the target as empty as before */
export async function write<N>(
  request: ExportRequest,
  source: TreeSource<N>,
  { to, mountpoint, tablespaces, without }: Where,
  overlay: CopyBatch['overlay'],
): Promise<Omit<Exported, 'from'>> {
  for (const directory of [to, ...tablespaces.values()]) prepare(directory);
  try {
    const plan = planExport(source, {
      directory: byteString(to),
      mountpoint: byteString(mountpoint),
      tablespaces: new Map([...tablespaces].map(([oid, directory]) => [oid, byteString(directory)])),
      without,
    });
    if (!request.force) mustHaveRoom(plan, [to, ...tablespaces.values()]);
    for (const name of plan.skipped) request.warn(`${displayPath(name)} is neither file, directory nor link: left out`);
    const chown = process.geteuid?.() === 0;
    for (const { to: path } of plan.directories) mkdirSync(pathBytes(path), { recursive: true, mode: 0o700 });
    for (const { to: path, target, attributes } of plan.links) {
      symlinkSync(pathBytes(target), pathBytes(path));
      if (chown) lchownSync(pathBytes(path), attributes.uid, attributes.gid);
      utimensat(pathBytes(path), attributes.atime, attributes.mtime);
    }
    await copyFiles(plan, request, chown, overlay);
    for (const { to: path, attributes } of plan.directories.toReversed()) finish(path, attributes, chown, request.sync);
    if (request.sync)
      for (const directory of [to, ...tablespaces.values()]) syncDirectory(pathBytes(byteString(dirname(directory))));
    const files = plan.files.length + plan.last.length;
    return { to, files, bytes: plan.bytes, tablespaces: Object.fromEntries(tablespaces) };
  } catch (error) {
    discard(to, tablespaces);
    throw error;
  }
}

/** What a worker gets at a time. */
const BATCH = { bytes: 8 << 20, files: 128 };

async function copyFiles(
  plan: Plan,
  request: ExportRequest,
  chown: boolean,
  overlay: CopyBatch['overlay'],
): Promise<void> {
  const done = new SharedArrayBuffer(8);
  const stopped = new Int32Array(new SharedArrayBuffer(4));
  const common = { done, stopped, sync: request.sync, chown, overlay };
  const tell = (): void => request.progress?.(Number(Atomics.load(new BigUint64Array(done), 0)), plan.bytes);
  const batches = batchesOf(plan.files, ({ attributes }) => attributes.size, BATCH);
  const threads = Math.max(1, Math.min(request.jobs, MAX_JOBS, batches.length));
  await inPool<CopyBatch, WireError | null>(new URL('./worker.js', import.meta.url), threads, tell, async (run) => {
    const work = Promise.all(batches.map((files) => run({ ...common, files })));
    const copied = await interruptible(work, () => void Atomics.store(stopped, 0, 1));
    for (const error of copied) raise(error);
  });
  raise(copyBatch({ ...common, files: plan.last }));
  tell();
}

function raise(error: WireError | null): void {
  if (error !== null) throw fromWire(error);
}

function finish(path: string, { mode, uid, gid, atime, mtime }: Attributes, chown: boolean, sync: boolean): void {
  const name = pathBytes(path);
  if (chown) lchownSync(name, uid, gid);
  chmodSync(name, mode & 0o7777);
  utimensat(name, atime, mtime);
  if (sync) syncDirectory(name);
}
