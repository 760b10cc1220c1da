// Bytes of the journal: a header and records, each aligned to 8 bytes. All numbers little-endian.
//
//   header   0 magic "PBKFSJNL"   8 u32 version   12 u32 crc32c of [16, 32)
//            16 u64 sequence before the first record      24 u64 syncedThrough
//   record   0 u32 bytes of payload   4 u32 crc32c of [8, 24) and payload   8 u64 sequence
//            16 u64 syncedThrough     24 payload, zeros up to a multiple of 8
//
// `syncedThrough`: every record up to this sequence was durable when this was written. It is what tells damage (a record
// is broken that a later one knows to have been durable) from a tail that a power cut tore in any order.

import { crc32c } from '../../backup/crc.js';
import { getU64, putU64, viewOf } from './little-endian.js';

const JOURNAL_VERSION = 1;
export const JOURNAL_HEADER = 32;
const RECORD_HEADER = 24;
const MAGIC = Buffer.from('PBKFSJNL', 'latin1');

/** A record as the file has it; what its payload says is for whoever keeps the journal. */
export interface RawRecord {
  /** From 1 on, one more than that of the record before. */
  readonly sequence: number;
  readonly syncedThrough: number;
  readonly payload: Uint8Array;
}

/** Bytes a record of this payload takes in the file. */
export function recordSize(payloadBytes: number): number {
  return RECORD_HEADER + Math.ceil(payloadBytes / 8) * 8;
}

/** @param before sequence of the last record that is not in the file */
export function encodeJournalHeader(before: number, syncedThrough: number): Uint8Array {
  const bytes = new Uint8Array(JOURNAL_HEADER);
  const view = viewOf(bytes);
  bytes.set(MAGIC, 0);
  view.setUint32(8, JOURNAL_VERSION, true);
  putU64(view, 16, before);
  putU64(view, 24, syncedThrough);
  view.setUint32(12, crc32c(bytes.subarray(16)), true);
  return bytes;
}

/** The header, 'newer' for an unknown version, undefined when it is not whole. */
export function decodeJournalHeader(
  bytes: Uint8Array,
): { before: number; syncedThrough: number } | 'newer' | undefined {
  if (bytes.length < JOURNAL_HEADER || MAGIC.some((byte, at) => bytes[at] !== byte)) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(8, true) !== JOURNAL_VERSION) return 'newer';
  if (view.getUint32(12, true) !== crc32c(bytes.subarray(16, JOURNAL_HEADER))) return undefined;
  return { before: getU64(view, 16), syncedThrough: getU64(view, 24) };
}

/** Writes a record into `out` at `at`, which must have recordSize(payload) zero bytes there. */
export function encodeRawRecord(out: Uint8Array, at: number, record: RawRecord): void {
  const { payload } = record;
  const bytes = out.subarray(at, at + RECORD_HEADER + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, payload.length, true);
  putU64(view, 8, record.sequence);
  putU64(view, 16, record.syncedThrough);
  bytes.set(payload, RECORD_HEADER);
  view.setUint32(4, crc32c(bytes.subarray(8)), true);
}

/** The record at this offset, or undefined when there is no whole one. Its payload is a view on `bytes`. */
export function decodeRawRecord(bytes: Uint8Array, at: number): RawRecord | undefined {
  if (at + RECORD_HEADER > bytes.length) return undefined;
  const header = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_HEADER);
  const length = header.getUint32(0, true);
  if (at + recordSize(length) > bytes.length) return undefined;
  if (header.getUint32(4, true) !== crc32c(bytes.subarray(at + 8, at + RECORD_HEADER + length))) return undefined;
  return {
    sequence: getU64(header, 8),
    syncedThrough: getU64(header, 16),
    payload: bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length),
  };
}

/** What would be the sequence of a record at this offset; 0 where none fits. A cheap test before a checksum. */
export function peekSequence(bytes: Uint8Array, at: number): number {
  if (at + RECORD_HEADER > bytes.length) return 0;
  return getU64(new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_HEADER), 8);
}
