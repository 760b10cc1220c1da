// A worker of the export pool: copies files, whole and durable.

import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { displayPath, pathBytes } from '../../backup/byte-path.js';
import { BLCKSZ, type FileSource, PG_CONTROL_PATH, type VerifyMode, verifyRawFd } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { Counters, createCounters } from '../../metrics/counters.js';
import { DataEngine } from '../../overlay/data/data-engine.js';
import { type SharedBuffers, SharedState } from '../../overlay/shared/shared-state.js';
import { utimensat } from '../../sys/libc.js';
import { toWire, type WireError } from '../wire-error.js';
import type { PlannedFile } from './plan.js';
import type { FileRef } from './tree-source.js';

export interface CopyBatch {
  readonly files: readonly PlannedFile[];
  /** One u64: bytes copied by all workers. */
  readonly done: SharedArrayBuffer;
  /** One word of shared memory: not 0 when nobody wants the copy any more. */
  readonly stopped: Int32Array;
  readonly sync: boolean;
  readonly chown: boolean;
  /** Only for the tree of a diff. */
  readonly overlay: { readonly shared: SharedBuffers; readonly objects: string; readonly verify: VerifyMode } | null;
}

const CHUNK = 1 << 20;
const chunk = Buffer.allocUnsafeSlow(CHUNK);
const zeros = Buffer.alloc(BLCKSZ);

type Read = (position: number, length: number) => number;

/** Copies the files. @returns what the first one that cannot be copied says: an error on its way between threads loses its code */
export default function copyBatch(batch: CopyBatch): WireError | null {
  try {
    copyAll(batch);
    return null;
  } catch (error) {
    return toWire(error);
  }
}

function copyAll(batch: CopyBatch): void {
  const progress = new BigUint64Array(batch.done);
  const engine = batch.overlay === null ? undefined : openEngine(batch.overlay, batch.files);
  try {
    for (const file of batch.files) {
      mustGoOn(batch.stopped);
      try {
        copyFile(file, batch, engine);
      } catch (error) {
        if (error instanceof PbkfsError) throw error;
        const { code, message } = error as NodeJS.ErrnoException;
        throw new PbkfsError('export_failed', `${displayPath(file.to)}: ${message}`, {
          ...(code === 'EIO' ? { hint: 'the log of the mount says which backup is damaged' } : {}),
        });
      }
      Atomics.add(progress, 0, BigInt(file.attributes.size));
    }
  } finally {
    engine?.close();
  }
}

function copyFile(file: PlannedFile, { stopped, sync, chown }: CopyBatch, engine: DataEngine | undefined): void {
  const { to, ref, attributes } = file;
  const from =
    ref.kind === 'path' || ref.kind === 'object' ? openSync(pathBytes(ref.path), constants.O_RDONLY) : undefined;
  let fd: number | undefined;
  try {
    const cloned =
      ref.kind === 'object' ? clone(pathBytes(ref.path), to) : ref.kind === 'row' && cloneStored(file, ref);
    fd = openSync(pathBytes(to), cloned ? 'r+' : 'wx', 0o600);
    if (!cloned) copyContent(fd, file, reader(ref, from, engine), stopped);
    // Ends with a hole, or was longer than its name says. For nothing it would cost XFS a last block of its own.
    if (fstatSync(fd).size !== attributes.size) ftruncateSync(fd, attributes.size);
    if (chown) fchownSync(fd, attributes.uid, attributes.gid);
    fchmodSync(fd, attributes.mode & 0o7777);
    utimensat(pathBytes(to), attributes.atime, attributes.mtime);
    if (sync) fsyncSync(fd);
  } finally {
    if (fd !== undefined) closeSync(fd);
    if (from !== undefined) closeSync(from);
  }
}

/** Shares the blocks of an object with the copy where the file system can. */
function clone(from: Buffer, to: string): boolean {
  try {
    copyFileSync(from, pathBytes(to), constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    return false;
  }
}

/**
 * The same for a file that the catalog stores as it is and nobody changed. The clone must have the listed CRC: what has
 * not is copied, and so refused, as every other damaged file.
 */
function cloneStored({ to, attributes }: PlannedFile, { source, changed }: FileRef & { kind: 'row' }): boolean {
  if (changed || source.kind !== 'raw' || source.file === null || source.size !== attributes.size) return false;
  if (source.path === PG_CONTROL_PATH || !clone(pathBytes(source.file), to)) return false;
  const fd = openSync(pathBytes(to), constants.O_RDONLY);
  try {
    if (fstatSync(fd).size !== source.size) throw new Error('it is longer than listed');
    verifyRawFd(source, fd);
    return true;
  } catch {
    rmSync(pathBytes(to));
    return false;
  } finally {
    closeSync(fd);
  }
}

function reader(ref: FileRef, from: number | undefined, engine: DataEngine | undefined): Read {
  if (ref.kind !== 'row') return (position, length) => readSync(from!, chunk, 0, length, position);
  return (position, length) => engine!.read(ref.row, ref.generation, position, length, chunk, 0);
}

/** Blocks of zeros become holes. */
function copyContent(fd: number, { attributes, sparse }: PlannedFile, read: Read, stopped: Int32Array): void {
  for (let position = 0; position < attributes.size; ) {
    mustGoOn(stopped);
    const got = read(position, Math.min(CHUNK, attributes.size - position));
    if (got === 0) break;
    for (let at = 0; at < got; ) {
      const start = at;
      while (at < got && !(sparse && isZero(at, got))) at += BLCKSZ;
      if (at > start) writeAll(fd, start, Math.min(at, got), position + start);
      while (at < got && sparse && isZero(at, got)) at += BLCKSZ;
    }
    position += got;
  }
}

/** A thread cannot be ended from outside while it loads something native. */
function mustGoOn(stopped: Int32Array): void {
  if (Atomics.load(stopped, 0) !== 0) throw new PbkfsError('export_failed', 'stopped');
}

function isZero(at: number, end: number): boolean {
  const to = Math.min(at + BLCKSZ, end);
  return chunk.compare(zeros, 0, to - at, at, to) === 0;
}

function writeAll(fd: number, from: number, to: number, position: number): void {
  for (let at = from; at < to; ) at += writeSync(fd, chunk, at, to - at, position + at - from);
}

function openEngine(overlay: NonNullable<CopyBatch['overlay']>, files: readonly PlannedFile[]): DataEngine {
  const sources = new Map<number, FileSource>();
  for (const { ref } of files) if (ref.kind === 'row') sources.set(ref.row, ref.source);
  const never = (): never => {
    throw new PbkfsError('internal', 'an export changes nothing');
  };
  return new DataEngine({
    shared: new SharedState(overlay.shared),
    objects: overlay.objects,
    // Nobody watches it meanwhile.
    chain: [],
    // Nobody reads them.
    counters: new Counters(createCounters(), 0),
    fdLimit: 64,
    materializeOnRead: false,
    verify: overlay.verify,
    namespace: {
      describe: (row) => sources.get(row)!,
      loadDiff: never,
      ensureObject: never,
      holdUnsynced: never,
      release: never,
    },
    warn: () => undefined,
  });
}
