// Made-up WAL segments: a good long header, the rest a pattern that compresses well.

import { segmentName } from '../../src/backup/wal/index.js';

export const SEGMENT = 1 << 20;

/** Segment `number` of timeline 1, 1 MiB, of PostgreSQL 15. */
export function madeUpSegment(number: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT);
  for (let at = 0; at < SEGMENT; at++) bytes[at] = (((at >> 7) * 31) ^ (at % 61)) & 0xff;
  bytes.fill(0, 0, 40);
  bytes.writeUInt16LE(0xd110, 0);
  bytes.writeUInt16LE(2, 2);
  bytes.writeUInt32LE(1, 4);
  bytes.writeBigUInt64LE(BigInt(number * SEGMENT), 8);
  bytes.writeBigUInt64LE(7n, 24);
  bytes.writeUInt32LE(SEGMENT, 32);
  bytes.writeUInt32LE(8192, 36);
  return bytes;
}

export const nameOf = (number: number): string => segmentName(1, number, SEGMENT);
