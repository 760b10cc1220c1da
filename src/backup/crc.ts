// CRC-32C and CRC-32 of byte ranges and files, continued from chunk to chunk.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { slowCrc } from './crc-table.js';
import type { FileCrcKind } from './types.js';

type Crc = (bytes: Uint8Array, start?: number) => number;
type Native = Readonly<Record<FileCrcKind, Crc>>;

/** Loading it costs about 5 ms: a process or thread that checks nothing never does. */
let native: Native | undefined;

function load(): Native {
  try {
    return createRequire(import.meta.url)('@node-rs/crc32') as typeof import('@node-rs/crc32');
  } catch {
    // The program on disk has been replaced under its mount, which goes on.
    return slowCrc;
  }
}

/** For a thread that is going to need it and has time now. */
export function loadCrc(): void {
  native ??= load();
}

/** CRC-32C (Castagnoli) as pg_probackup and PostgreSQL use it; `start` continues an earlier result. */
export function crc32c(bytes: Uint8Array, start = 0): number {
  native ??= load();
  return native.crc32c(bytes, start);
}

/** CRC of a stored file's bytes, in the kind its backup uses; `start` is that of the bytes before them, 0 for none. */
export function fileCrc(kind: FileCrcKind, bytes: Uint8Array, start: number): number {
  native ??= load();
  return native[kind](bytes, start);
}

/** So small that what was read is in the processor's second cache still. */
const chunkSize = 256 << 10;

/**
 * CRC of the first `size` bytes of an open file.
 * @returns undefined when the file is shorter
 */
export function crcOfFd(fd: number, size: number, kind: FileCrcKind): number | undefined {
  const chunk = Buffer.allocUnsafe(Math.min(size, chunkSize));
  let crc = 0;
  for (let at = 0; at < size; ) {
    const got = fs.readSync(fd, chunk, 0, Math.min(chunk.length, size - at), at);
    if (got === 0) return undefined;
    crc = fileCrc(kind, chunk.subarray(0, got), crc);
    at += got;
  }
  return crc;
}
