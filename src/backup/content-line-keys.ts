// The keys of a content list's line, recognised in place without making strings.

import { compressAlgs, parseCompressAlg } from './codec/names.js';
import { type ListRow, UNKNOWN_ALG, UNKNOWN_BLOCKS, VANISHED } from './content-list.js';

/** What a key does to the row. `value` is [start, end) in `line`; returns false when the value makes no sense. */
type KeyReader = (row: ListRow, line: Buffer, start: number, end: number) => boolean;

/** Keys without which pg_probackup itself gives up. */
const needed = ['size', 'mode', 'is_datafile', 'crc', 'compress_alg'] as const;
export const allNeeded = (1 << needed.length) - 1;

/** Largest number that int64 holds; bigger ones were printed by very old versions for -1. */
const maxInt64 = 2 ** 63;

const u32 = 0xffffffff;
const i32 = 0x7fffffff;

/** A decimal number in [start, end); NaN when it is none. Values that overflow int64 are -1 (format page 3.2). */
function readDecimal(line: Buffer, start: number, end: number): number {
  let at = start;
  const negative = line[at] === 0x2d;
  if (negative) at++;
  if (at >= end) return Number.NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = line[at]! - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value >= maxInt64) return -1;
  return negative ? -value : value;
}

function number(min: number, max: number, set: (row: ListRow, value: number) => void): KeyReader {
  return (row, line, start, end) => {
    const value = readDecimal(line, start, end);
    if (!(value >= min && value <= max)) return false;
    set(row, value);
    return true;
  };
}

function readAlg(row: ListRow, line: Buffer, start: number, end: number): boolean {
  if (end === start) return false;
  const alg = parseCompressAlg(line.toString('latin1', start, end));
  row.alg = alg === undefined ? UNKNOWN_ALG : compressAlgs.indexOf(alg);
  return true;
}

const readers: Record<string, KeyReader> = {
  size: number(VANISHED, Number.MAX_SAFE_INTEGER, (row, value) => {
    row.size = value;
  }),
  mode: number(0, u32, (row, value) => {
    row.mode = value;
  }),
  is_datafile: number(0, 1, (row, value) => {
    row.isDatafile = value === 1;
  }),
  is_cfs: number(0, 1, (row, value) => {
    row.isCfs = value === 1;
  }),
  crc: number(0, u32, (row, value) => {
    row.crc = value;
  }),
  compress_alg: readAlg,
  external_dir_num: number(0, i32, (row, value) => {
    row.externalDir = value;
  }),
  segno: number(-1, i32, (row, value) => {
    row.segno = value;
  }),
  n_blocks: number(-1, i32, (row, value) => {
    row.nBlocks = value > 0 ? value : UNKNOWN_BLOCKS;
  }),
  n_headers: number(0, i32, (row, value) => {
    row.nHeaders = value;
  }),
  hdr_crc: number(0, u32, (row, value) => {
    row.headerCrc = value;
  }),
  // Negative after an overflow in old versions: kept, so that the header map is known to be unusable.
  hdr_off: number(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, (row, value) => {
    row.headerOff = value;
  }),
  hdr_size: number(-i32, i32, (row, value) => {
    row.headerSize = value;
  }),
};

export interface LineKey {
  readonly bytes: Buffer;
  readonly read: KeyReader;
  /** Bit in allNeeded, or 0. */
  readonly neededBit: number;
}

const keys: LineKey[] = Object.entries(readers).map(([name, read]) => {
  const at = (needed as readonly string[]).indexOf(name);
  return { bytes: Buffer.from(name, 'latin1'), read, neededBit: at < 0 ? 0 : 1 << at };
});

const byShape = new Map(keys.map((key) => [shape(key.bytes, 0, key.bytes.length), key]));

function shape(line: Buffer, start: number, end: number): number {
  return ((end - start) << 16) | (line[start]! << 8) | line[end - 1]!;
}

/** @returns the key written in [start, end), or undefined for keys this reader does not use */
export function findKey(line: Buffer, start: number, end: number): LineKey | undefined {
  if (start >= end) return undefined;
  const key = byShape.get(shape(line, start, end));
  if (key === undefined) return undefined;
  for (let i = 1; i < key.bytes.length - 1; i++) if (line[start + i] !== key.bytes[i]) return undefined;
  return key;
}

const linkedKey = Buffer.from('linked', 'latin1');

/** `linked` is raw text and may hold quotes. */
export function isLinkedKey(line: Buffer, start: number, end: number): boolean {
  return end - start === linkedKey.length && linkedKey.compare(line, start, end) === 0;
}

/** Makes the row what a line with no keys at all means. */
export function resetRow(row: ListRow): void {
  row.size = 0;
  row.mode = 0;
  row.isDatafile = false;
  row.isCfs = false;
  row.crc = 0;
  row.alg = UNKNOWN_ALG;
  row.externalDir = 0;
  resetOptionalKeys(row);
}

/** The part of that for the keys that only some lines have. */
export function resetOptionalKeys(row: ListRow): void {
  row.segno = -1;
  row.nBlocks = UNKNOWN_BLOCKS;
  row.nHeaders = 0;
  row.headerCrc = 0;
  row.headerOff = 0;
  row.headerSize = 0;
}
