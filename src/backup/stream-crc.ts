// Trust in a stream that no header map vouches for: the CRC of the whole file, as the content list gives it.

import fs from 'node:fs';
import type { PbkfsError } from '../errors.js';
import { BLCKSZ, RECORD_HEADER } from './constants.js';
import { fileCrc } from './crc.js';
import { damagedFile } from './damage.js';
import { paddedSize, walkStream } from './stream-walk.js';
import type { StreamPart } from './types.js';

/**
 * Compares a stream's CRC with the list. Before 2.4.0 some versions are said to have left record headers out of it
 * (format page 14), so there both readings are accepted.
 * @param crc CRC of all bytes
 * @returns what is wrong when the stream is not what pg_probackup stored, else undefined
 */
export function crcDoubt(part: StreamPart, fd: number, crc: number): PbkfsError | undefined {
  if (part.crc === crc || part.crc === 0) return undefined;
  if (part.padded && crcWithoutHeaders(part, fd) === part.crc) return undefined;
  return damagedFile(
    part.backupId,
    part.file,
    `it has CRC ${crc}, ${part.crc} is listed, and no header map tells which page is bad`,
  );
}

function crcWithoutHeaders(part: StreamPart, fd: number): number {
  const payload = Buffer.allocUnsafe(BLCKSZ);
  let crc = 0;
  walkStream(part, fd, (_block, size, offset) => {
    const length = paddedSize(size, part.padded);
    fs.readSync(fd, payload, 0, length, offset + RECORD_HEADER);
    crc = fileCrc(part.crcKind, payload.subarray(0, length), crc);
  });
  return crc;
}
