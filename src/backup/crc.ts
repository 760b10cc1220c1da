// CRC-32C and CRC-32 of byte ranges and files, continued from chunk to chunk.

import fs from 'node:fs';
import { crc32 as nativeCrc32, crc32c as nativeCrc32c } from '@node-rs/crc32';
import type { FileCrcKind } from './types.js';

/** CRC-32C (Castagnoli) as pg_probackup and PostgreSQL use it; `start` continues an earlier result. */
export function crc32c(bytes: Uint8Array, start = 0): number {
  return nativeCrc32c(bytes, start);
}

/** CRC of a stored file's bytes, in the kind its backup uses. */
export function fileCrc(kind: FileCrcKind, bytes: Uint8Array, start = 0): number {
  return kind === 'crc32c' ? nativeCrc32c(bytes, start) : nativeCrc32(bytes, start);
}

const chunkSize = 256 << 10;

/**
 * CRC of the first `size` bytes of an open file.
 * @returns undefined when the file is shorter
 */
export function crcOfFd(fd: number, size: number, kind: FileCrcKind = 'crc32c'): number | undefined {
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
