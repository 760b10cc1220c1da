// The header of a WAL record, and what both readers of records ask of one.

import { crc32c } from '../crc.js';

/*
 * XLogRecord (PostgreSQL 9.5-18, src/include/access/xlogrecord.h), little-endian, at multiples of 8:
 *    0 u32 xl_tot_len   4 u32 xl_xid   8 u64 xl_prev   16 u8 xl_info   17 u8 xl_rmid   18 pad   20 u32 xl_crc   24 data
 * The data are block and data headers, then what they announce, the main data last. xl_crc is the CRC-32C of the data
 * followed by the first 20 bytes. A record goes on behind the header of the next page.
 */
export const XLOG_RECORD_HEADER = 24;
export const AT_XID = 4;
export const AT_PREV = 8;
const AT_INFO = 16;
export const AT_RMID = 17;
const AT_CRC = 20;
/** XLogRecordMaxSize of PostgreSQL 16; nothing writes larger ones, so that garbage is not waited for. */
export const MAX_RECORD = 1020 << 20;

export const RM_XLOG = 0;
const XLOG_SWITCH = 0x40;

/** The resource manager's own four bits of xl_info. */
export function infoOf(record: Buffer): number {
  return record[AT_INFO]! & 0xf0;
}

export function hasItsCrc(record: Buffer): boolean {
  const crc = crc32c(record.subarray(0, AT_CRC), crc32c(record.subarray(XLOG_RECORD_HEADER)));
  return crc === record.readUInt32LE(AT_CRC);
}

/** Whether the rest of the segment behind this record is empty. */
export function isSwitch(record: Buffer): boolean {
  return record[AT_RMID] === RM_XLOG && infoOf(record) === XLOG_SWITCH;
}

/** @param at behind the headers of the blocks that the record changes. @returns undefined where there is none, or another such header */
export function mainData(record: Buffer, at = XLOG_RECORD_HEADER): Buffer | undefined {
  while (at < record.length) {
    switch (record[at]) {
      case 255:
        return record.subarray(record.length - record[at + 1]!);
      case 254:
        return record.subarray(record.length - record.readUInt32LE(at + 1));
      case 253: // replication origin
        at += 3;
        break;
      case 252: // top-level transaction
        at += 5;
        break;
      default:
        return undefined;
    }
  }
  return undefined;
}
