// A made-up global/pg_control: what a reader of backups looks at.

import { BLCKSZ, crc32c } from '../../src/backup/index.js';

/** Offsets of PostgreSQL 13 to 16 (src/include/catalog/pg_control.h). */
const FLOAT_FORMAT = 208;
const CRC = 288;

/** @param segmentBlocks as PostgreSQL was built: --with-segsize */
export function controlFile(segmentBlocks: number): Buffer {
  const image = Buffer.alloc(8192);
  image.writeBigUInt64LE(7_710_483_872_181_884_041n, 0);
  image.writeUInt32LE(1300, 8);
  image.writeDoubleLE(1_234_567, FLOAT_FORMAT);
  image.writeUInt32LE(BLCKSZ, FLOAT_FORMAT + 8);
  image.writeUInt32LE(segmentBlocks, FLOAT_FORMAT + 12);
  image.writeUInt32LE(crc32c(image.subarray(0, CRC)), CRC);
  return image;
}
