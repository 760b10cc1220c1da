// What one backup's content list says of the target's files, in little memory. Files have the numbers that the target's
// list gives them: 4 bytes for each file, and a record of 2 to some 30 bytes for each that this backup lists.
//
//     u8      kind (0 directory, 1 raw, 2 datafile) | size (0 empty, 1 unchanged, 2 stored) << 2 | alg << 4 (15: unknown)
//     u8      which of the following there are: the bits `has…` below
//     varint  size
//     u32     crc
//     varint  segno, n_blocks, n_headers
//     u32     hdr_crc, then hdr_off and hdr_size, each a byte that is 1 for a negative number and a varint

import { S_IFDIR, S_IFMT } from '../constants.js';
import { type ListEntry, type ListRow, UNCHANGED, UNKNOWN_ALG, UNKNOWN_BLOCKS } from '../content-list.js';
import { moreOctets, moreWords, octets, words } from './shared-columns.js';

const KIND = 0b11;
const DIRECTORY = 0;
const RAW = 1;
const DATAFILE = 2;
const EMPTY = 0;
const UNSTORED = 1;
const STORED = 2;
const NO_ALG = 15;

const hasCrc = 1;
const hasSegno = 2;
const hasBlocks = 4;
const hasHeaders = 8;
const hasMap = 16;

/** How much shorter a record is than its line, at least; only to reserve about enough memory at once. */
const LINE_TO_RECORD = 6;
/** The longest record there can be. */
const MAX_RECORD = 2 + 8 + 4 + 3 * 8 + 4 + 2 * 9;

export interface PackedListData {
  /** Where the record of each file is; 0: not listed. */
  readonly at: Uint32Array;
  /** Records; the first byte is none. */
  readonly records: Uint8Array;
}

/** A complete list, for reading only. */
export class PackedList {
  readonly #at: Uint32Array;
  readonly #records: Uint8Array;

  constructor({ at, records }: PackedListData) {
    this.#at = at;
    this.#records = records;
  }

  has(file: number): boolean {
    return this.#at[file] !== 0;
  }

  isDirectory(file: number): boolean {
    return this.has(file) && (this.#first(file) & KIND) === DIRECTORY;
  }

  isDatafile(file: number): boolean {
    return this.has(file) && (this.#first(file) & KIND) === DATAFILE;
  }

  /** Listed as unchanged since the parent. */
  isUnchanged(file: number): boolean {
    return this.has(file) && ((this.#first(file) >> 2) & 0b11) === UNSTORED;
  }

  /** @returns undefined for a file that is not listed */
  entry(file: number): ListEntry | undefined {
    const at = this.#at[file]!;
    return at === 0 ? undefined : readRecord(this.#records, at);
  }

  #first(file: number): number {
    return this.#records[this.#at[file]!]!;
  }
}

/** A list in the making. */
export class PackedListWriter {
  #at: Uint32Array;
  #records: Uint8Array;
  #end = 1;

  /**
   * @param files how many there are, or may be at first
   * @param bytes of the list
   */
  constructor(files: number, bytes: number) {
    this.#at = words(Math.max(8, files));
    this.#records = octets(MAX_RECORD + Math.ceil(bytes / LINE_TO_RECORD));
  }

  has(file: number): boolean {
    return file < this.#at.length && this.#at[file] !== 0;
  }

  add(file: number, row: ListRow): void {
    if (file >= this.#at.length) this.#at = moreWords(this.#at, Math.ceil(file * 1.5) + 8);
    if (this.#end + MAX_RECORD > this.#records.length) {
      this.#records = moreOctets(this.#records, Math.ceil(this.#end * 1.5) + MAX_RECORD);
    }
    if (this.#end > MAX_OFFSET) throw new RangeError('a list of files is longer than can be kept');
    this.#at[file] = this.#end;
    this.#end = writeRecord(this.#records, this.#end, row);
  }

  /** @param files how many there are */
  data(files: number): PackedListData {
    const at = this.#at.length < files ? moreWords(this.#at, files) : this.#at;
    return { at: at.subarray(0, files), records: this.#records.subarray(0, this.#end) };
  }
}

const MAX_OFFSET = 2 ** 32 - 1;

/** Replaces an entry "unchanged" that no older backup can fill: a data file becomes empty, any other file is not listed. */
export function dropUnchanged({ at, records }: PackedListData, file: number): void {
  const record = at[file]!;
  if ((records[record]! & KIND) === DATAFILE) records[record] = (records[record]! & ~(0b11 << 2)) | (EMPTY << 2);
  else at[file] = 0;
}

/** @returns the position behind the record */
function writeRecord(to: Uint8Array, start: number, row: ListRow): number {
  const isDirectory = (row.mode & S_IFMT) === S_IFDIR;
  const kind = isDirectory ? DIRECTORY : row.isDatafile && !row.isCfs ? DATAFILE : RAW;
  const size = row.size > 0 ? STORED : row.size === UNCHANGED ? UNSTORED : EMPTY;
  const hasHeaderMap = row.headerCrc !== 0 || row.headerOff !== 0 || row.headerSize !== 0;
  to[start] = kind | (size << 2) | ((row.alg === UNKNOWN_ALG ? NO_ALG : row.alg) << 4);
  to[start + 1] =
    (row.crc !== 0 ? hasCrc : 0) |
    (row.segno >= 0 ? hasSegno : 0) |
    (row.nBlocks !== UNKNOWN_BLOCKS ? hasBlocks : 0) |
    (row.nHeaders !== 0 ? hasHeaders : 0) |
    (hasHeaderMap ? hasMap : 0);
  let at = start + 2;
  if (size === STORED) at = writeNumber(to, at, row.size);
  if (row.crc !== 0) at = writeWord(to, at, row.crc);
  if (row.segno >= 0) at = writeNumber(to, at, row.segno);
  if (row.nBlocks !== UNKNOWN_BLOCKS) at = writeNumber(to, at, row.nBlocks);
  if (row.nHeaders !== 0) at = writeNumber(to, at, row.nHeaders);
  if (!hasHeaderMap) return at;
  at = writeWord(to, at, row.headerCrc);
  at = writeSigned(to, at, row.headerOff);
  return writeSigned(to, at, row.headerSize);
}

/** Where the next number of a record begins; one thread reads one record at a time. */
let position = 0;

function readRecord(from: Uint8Array, start: number): ListEntry {
  const first = from[start]!;
  const has = from[start + 1]!;
  position = start + 2;
  const kind = first & KIND;
  const size = (first >> 2) & 0b11;
  const alg = first >> 4;
  // The order in which the record is read.
  return {
    isDirectory: kind === DIRECTORY,
    isDatafile: kind === DATAFILE,
    alg: alg === NO_ALG ? UNKNOWN_ALG : alg,
    size: size === STORED ? readNumber(from) : size === UNSTORED ? UNCHANGED : 0,
    crc: has & hasCrc ? readWord(from) : 0,
    segno: has & hasSegno ? readNumber(from) : -1,
    nBlocks: has & hasBlocks ? readNumber(from) : UNKNOWN_BLOCKS,
    nHeaders: has & hasHeaders ? readNumber(from) : 0,
    headerCrc: has & hasMap ? readWord(from) : 0,
    headerOff: has & hasMap ? readSigned(from) : 0,
    headerSize: has & hasMap ? readSigned(from) : 0,
  };
}

/** 7 bits a byte, lowest first; numbers up to 2^53. */
function writeNumber(to: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    to[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  to[at] = rest;
  return at + 1;
}

function readNumber(from: Uint8Array): number {
  let value = 0;
  for (let unit = 1; ; unit *= 0x80) {
    const byte = from[position++]!;
    value += (byte & 0x7f) * unit;
    // Behind the end `byte` is undefined: the loop must end there, too.
    if (!(byte >= 0x80)) return value;
  }
}

function writeSigned(to: Uint8Array, start: number, value: number): number {
  to[start] = value < 0 ? 1 : 0;
  return writeNumber(to, start + 1, Math.abs(value));
}

function readSigned(from: Uint8Array): number {
  const isNegative = from[position++] === 1;
  const value = readNumber(from);
  return isNegative ? -value : value;
}

function writeWord(to: Uint8Array, at: number, value: number): number {
  to[at] = value & 0xff;
  to[at + 1] = (value >>> 8) & 0xff;
  to[at + 2] = (value >>> 16) & 0xff;
  to[at + 3] = value >>> 24;
  return at + 4;
}

function readWord(from: Uint8Array): number {
  const at = position;
  position += 4;
  return (from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24)) >>> 0;
}
