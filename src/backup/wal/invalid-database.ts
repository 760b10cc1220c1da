// The in-place update by which DROP DATABASE forbids connections, ahead of everything else that it does (PostgreSQL 15.4,
// 14.9, 13.12 and later).

import { decodeLz4Block } from '../codec/lz4.js';
import { decodePglz } from '../codec/pglz.js';
import { zstdDecompress } from '../codec/zstd-frame.js';
import { BLCKSZ } from '../constants.js';
import { mainData, XLOG_RECORD_HEADER } from './record-format.js';

/*
 * XLOG_HEAP_INPLACE (PostgreSQL 13-18) has one block:
 *    u8 0 | u8 flags | u16 data length | [u16 image length | u16 hole offset | u8 image flags | [u16 hole length]]
 *    | u32 tablespace | u32 database | u32 file number | u32 block
 * then the header of the main data, then the image of the page without its hole, or else the row behind its header, and
 * as main data the u16 number of the row's line pointer.
 *
 * Row of pg_database: 0 u32 oid   4 datname, 64 bytes   80 i32 datconnlimit (208 before 15)
 */
const HAS_IMAGE = 0x10;
const HAS_HOLE = 1;
const GLOBAL_TABLESPACE = 1664;
const INVALID = -2;
/** In a page: the first line pointer, whose low 15 bits say where the row is; in a row: the length of its header. */
const AT_LINE_POINTERS = 24;
const AT_HOFF = 22;

/** @param record one of RM_HEAP, XLOG_HEAP_INPLACE. @returns the database that nobody can connect to from here on */
export function invalidDatabaseOf(record: Buffer, major: number): { oid: number; name: string } | undefined {
  try {
    const row = sharedRow(record, major);
    if (row === undefined || row.readInt32LE(major < 15 ? 208 : 80) !== INVALID) return undefined;
    const name = row.subarray(4, 68);
    return { oid: row.readUInt32LE(0), name: name.subarray(0, name.indexOf(0)).toString() };
  } catch {
    // A fork of PostgreSQL has other rows.
    return undefined;
  }
}

/** Of a shared relation: no other than pg_database is updated in place. */
function sharedRow(record: Buffer, major: number): Buffer | undefined {
  const hasImage = (record[XLOG_RECORD_HEADER + 1]! & HAS_IMAGE) !== 0;
  const dataLength = record.readUInt16LE(XLOG_RECORD_HEADER + 2);
  let at = XLOG_RECORD_HEADER + 4;
  const imageLength = hasImage ? record.readUInt16LE(at) : 0;
  const imageFlags = hasImage ? record[at + 4]! : 0;
  const codec = major < 15 ? (imageFlags & 2) << 1 : imageFlags & 0x1c;
  if (hasImage) at += 5;
  let hole = (imageFlags & HAS_HOLE) === 0 ? 0 : BLCKSZ - imageLength;
  if (hole !== 0 && codec !== 0) {
    hole = record.readUInt16LE(at);
    at += 2;
  }
  if (record.readUInt32LE(at) !== GLOBAL_TABLESPACE || record.readUInt32LE(at + 4) !== 0) return undefined;
  const main = mainData(record, at + 16)!;
  const end = record.length - main.length;
  if (!hasImage) return record.subarray(end - dataLength, end);
  const image = record.subarray(end - dataLength - imageLength, end - dataLength);
  const page = decompress(image, codec, BLCKSZ - hole);
  const pointer = page.readUInt32LE(AT_LINE_POINTERS + 4 * (main.readUInt16LE(0) - 1));
  // Rows lie behind the hole.
  const row = page.subarray((pointer & 0x7fff) - hole);
  return row.subarray(row[AT_HOFF]);
}

/** @param codec bits of the image flags of 15 */
function decompress(image: Buffer, codec: number, length: number): Buffer {
  if (codec === 0) return image;
  if (codec === 0x10) return Buffer.from(zstdDecompress(image, length));
  const page = Buffer.alloc(length);
  if (codec === 4) decodePglz(image, 0, image.length, page, 0, length);
  else decodeLz4Block(image, 0, image.length, page, 0, length, 0);
  return page;
}
