// Heap pages like those of pgbench_accounts: rows of growing numbers and a filler of blanks.

import { BLCKSZ, pageChecksum } from '../../src/backup/index.js';

const HEADER = 24;
const ROWS = 61;
/** Tuple header of 24 bytes, three integers, a filler of 84 blanks with its length byte, rounded up to 8. */
const ROW = 128;

/**
 * One page after the other; each call overwrites the page that the last one returned.
 * Every page is different, holds a right checksum and shrinks to about a tenth by zlib, as real ones of pgbench do.
 */
export function heapPages(): (block: number, version: number) => Buffer {
  const page = Buffer.alloc(BLCKSZ);
  const upper = BLCKSZ - ROWS * ROW;
  page.writeUInt16LE(HEADER + ROWS * 4, 12);
  page.writeUInt16LE(upper, 14);
  page.writeUInt16LE(BLCKSZ, 16);
  page.writeUInt16LE(BLCKSZ | 4, 18);
  for (let row = 0; row < ROWS; row++) {
    const at = BLCKSZ - (row + 1) * ROW;
    // Line pointer: offset, normal, length.
    page.writeUInt32LE((at | (1 << 15) | (121 << 17)) >>> 0, HEADER + row * 4);
    page.writeUInt32LE(3, at + 18);
    page.writeUInt16LE(0x0902, at + 20);
    page[at + 22] = HEADER;
    page[at + 36] = 0xab;
    page.fill(0x20, at + 37, at + 121);
  }
  return (block, version) => {
    // An LSN before the backup's end.
    page.writeUInt32LE(0x0100_0000 + ((block * 64 + version * 8) & 0xff_fff8), 4);
    page.writeUInt16LE(0, 8);
    for (let row = 0; row < ROWS; row++) {
      const at = BLCKSZ - (row + 1) * ROW;
      const id = block * ROWS + row;
      page.writeUInt32LE(700 + version, at);
      page.writeUInt16LE(block >>> 16, at + 12);
      page.writeUInt16LE(block & 0xffff, at + 14);
      page.writeUInt16LE(row + 1, at + 16);
      page.writeUInt32LE(id, at + 24);
      page.writeUInt32LE(Math.floor(id / 100_000) + 1, at + 28);
      // A balance that looks like one that has seen some transactions.
      page.writeInt32LE((Math.imul(id + version, 2654435761) >> 18) * (id % 3 === 0 ? 1 : 0), at + 32);
    }
    page.writeUInt16LE(pageChecksum(page, 0, block), 8);
    return page;
  };
}
