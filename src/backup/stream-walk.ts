// Reading a page stream front to back: the stream describes itself (format page 4).

import fs from 'node:fs';
import { BLCKSZ, RECORD_HEADER } from './constants.js';
import { fileCrc } from './crc.js';
import { damagedBlock, damagedFile } from './damage.js';
import type { StreamPart } from './types.js';

/** compressed_size of the record that cuts the file to `block` blocks and ends the stream (before 2.3.0). */
export const TRUNCATED = -2;

const chunkSize = 1 << 20;
/** Room for a header, or a whole record, that straddles two chunks. */
const HEADER_ROOM = RECORD_HEADER;
export const RECORD_ROOM = RECORD_HEADER + BLCKSZ;

export interface StreamSummary {
  records: number;
  /** Highest block + 1; 0 without records. */
  end: number;
  /** Length in blocks that a truncation marker gives, or undefined. */
  truncatedTo: number | undefined;
  /** Zeros were passed over that stand for pages nobody had. */
  hasGaps: boolean;
  /** CRC of all storedSize bytes. */
  crc: number;
}

/** Bytes of a payload on disk: padded to 8 in versions before 2.4.0. */
export function paddedSize(size: number, padded: boolean): number {
  return padded ? (size + 7) & ~7 : size;
}

/**
 * Reads the whole stream once, in chunks, and reports every record.
 * @param fd the part's file, open for reading, at least storedSize long
 * @param onRecord gets block number, payload bytes (unpadded) and the file offset of the record's header
 * @param onPayload gets a buffer and where in it the payload of the record just reported begins; it is the buffer's for
 *   the time of the call only, and may be changed then
 * @param memory what to read into: a chunk and RECORD_ROOM; where it is missing, it is allocated
 * @throws PbkfsError page_damaged: cut off, impossible size, block numbers that do not ascend
 */
export function walkStream(
  part: StreamPart,
  fd: number,
  onRecord: (block: number, size: number, offset: number) => void,
  onPayload?: (buffer: Buffer, at: number) => void,
  memory?: Buffer,
): StreamSummary {
  const summary: StreamSummary = { records: 0, end: 0, truncatedTo: undefined, hasGaps: false, crc: 0 };
  const { storedSize, padded } = part;
  const room = onPayload === undefined ? HEADER_ROOM : RECORD_ROOM;
  const buffer = memory ?? Buffer.allocUnsafe(Math.min(chunkSize, storedSize) + room);
  const chunk = buffer.length - room;
  let have = 0;
  let base = 0;
  let next = 0;
  while (base + have < storedSize) {
    const got = fs.readSync(fd, buffer, have, Math.min(chunk, storedSize - base - have), base + have);
    if (got === 0)
      throw damagedFile(part.backupId, part.file, `it ends at byte ${base + have}, ${storedSize} are listed`);
    summary.crc = fileCrc(part.crcKind, buffer.subarray(have, have + got), summary.crc);
    have += got;
    while (summary.truncatedTo === undefined && next + RECORD_HEADER <= base + have) {
      const block = buffer.readUInt32LE(next - base);
      const size = buffer.readInt32LE(next - base + 4);
      if (size === TRUNCATED && part.truncationMarkers) {
        summary.truncatedTo = block;
        next = storedSize;
        break;
      }
      if (size === 0 && block === 0 && part.emptyRecords) {
        summary.hasGaps = true;
        next += RECORD_HEADER;
        continue;
      }
      if (size <= 0 || size > BLCKSZ) {
        throw damagedBlock(part.backupId, part.file, block, `record at byte ${next} has the impossible size ${size}`);
      }
      if (block < summary.end) {
        throw damagedBlock(part.backupId, part.file, block, `record at byte ${next} follows block ${summary.end - 1}`);
      }
      const following = next + RECORD_HEADER + paddedSize(size, padded);
      if (following > storedSize)
        throw damagedBlock(part.backupId, part.file, block, `record at byte ${next} is cut off`);
      if (onPayload !== undefined && following > base + have) break;
      onRecord(block, size, next);
      onPayload?.(buffer, next - base + RECORD_HEADER);
      summary.records++;
      summary.end = block + 1;
      next = following;
    }
    const keepFrom = Math.min(next, base + have);
    buffer.copyWithin(0, keepFrom - base, have);
    have -= keepFrom - base;
    base = keepFrom;
  }
  if (next !== storedSize)
    throw damagedFile(part.backupId, part.file, `its last record header, at byte ${next}, is cut off`);
  return summary;
}
