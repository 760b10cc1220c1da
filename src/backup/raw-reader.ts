// Reading raw files (everything that is not a page stream) from their stored copy.

import fs from 'node:fs';
import { crcOfFd } from './crc.js';
import { damagedFile, openStored } from './damage.js';
import { PG_CONTROL_PATH, pgControlCrc } from './pg-control.js';
import type { RawSource } from './types.js';

/**
 * Opens the stored copy of a raw file.
 * @returns a descriptor the caller closes, or undefined for an empty file
 * @throws PbkfsError page_damaged when the copy is missing or shorter than listed
 */
export function openRaw(source: RawSource): number | undefined {
  return source.file === null ? undefined : openStored(source.backupId, source.file, source.size);
}

/**
 * Reads up to `length` bytes at `position`; never beyond the listed size, even if the stored copy is longer.
 * @returns bytes read; fewer than `length` only at the end of the file
 * @throws PbkfsError page_damaged when the stored copy ends early
 */
export function readRaw(
  source: RawSource,
  fd: number,
  position: number,
  length: number,
  out: Uint8Array,
  outOffset: number,
): number {
  const wanted = Math.max(0, Math.min(length, source.size - position));
  let have = 0;
  while (have < wanted) {
    const got = fs.readSync(fd, out, outOffset + have, wanted - have, position + have);
    if (got === 0) {
      throw damagedFile(
        source.backupId,
        source.file ?? source.path,
        `it ends at byte ${position + have}, ${source.size} are listed`,
      );
    }
    have += got;
  }
  return wanted;
}

/** The whole content. @throws PbkfsError page_damaged when the stored copy is missing or ends early */
export function readWholeRaw(source: RawSource): Buffer {
  const bytes = Buffer.alloc(source.size);
  const fd = openRaw(source);
  if (fd === undefined) return bytes;
  try {
    readRaw(source, fd, 0, bytes.length, bytes, 0);
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Compares a raw file's stored copy with its listed CRC; global/pg_control with the CRC inside it (format page 8).
 * @throws PbkfsError page_damaged when it differs
 */
export function verifyRaw(source: RawSource): void {
  const fd = openRaw(source);
  if (fd === undefined) return;
  try {
    verifyRawFd(source, fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** verifyRaw for a copy that is open already. @throws PbkfsError page_damaged */
export function verifyRawFd(source: RawSource, fd: number): void {
  const isControl = source.path === PG_CONTROL_PATH;
  const crc = isControl ? controlCrc(source, fd) : crcOfFd(fd, source.size, source.crcKind);
  if (crc === source.crc) return;
  const what = isControl ? 'its content does not have the CRC in it' : `it does not have its ${source.size} bytes`;
  const why = crc === undefined ? what : `it has CRC ${crc}`;
  throw damagedFile(source.backupId, source.file ?? source.path, `${why}, ${source.crc} is listed`);
}

/** Versions before 2.0.25 listed the CRC of the whole file: then that one is compared. */
function controlCrc(source: RawSource, fd: number): number | undefined {
  const image = Buffer.alloc(Math.min(source.size, 1 << 16));
  readRaw(source, fd, 0, image.length, image, 0);
  const inner = pgControlCrc(image);
  return inner === source.crc ? inner : (crcOfListed(source, fd) ?? inner);
}

function crcOfListed(source: RawSource, fd: number): number | undefined {
  const crc = crcOfFd(fd, source.size, source.crcKind);
  return crc === source.crc ? crc : undefined;
}
