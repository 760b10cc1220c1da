// The line of a content list as pg_probackup 2.5 writes it for a file with an ordinary name, read in one pass.
//
// Only a short way through what content-parser.ts reads, for the millions of lines that are like this: whatever is
// unusual about a line (names with quotes, newlines or leading dots, keys in another order, odd numbers) is left to it.

import { compressAlgs } from '../codec/names.js';
import { S_IFDIR, S_IFMT, S_IFREG } from '../constants.js';
import { resetOptionalKeys } from '../content-line-keys.js';
import { type ListRow, UNCHANGED, UNKNOWN_BLOCKS } from '../content-list.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const COMMA = 0x2c;
const CLOSE = 0x7d;

const u32 = 0xffffffff;

const text = (bytes: string): Uint8Array => Uint8Array.from(Buffer.from(bytes, 'latin1'));

const START = text('{"path":"');
const SIZE = text('", "size":"');
const MODE = text('", "mode":"');
const IS_DATAFILE = text('", "is_datafile":"');
const IS_CFS = text('", "is_cfs":"');
const CRC = text('", "crc":"');
const COMPRESS_ALG = text('", "compress_alg":"');
const EXTERNAL_DIR = text('", "external_dir_num":"');
const DB_OID = text('", "dbOid":"');
const FULL_SIZE = text('full_size":"');
const SEGNO = text('segno":"');
const N_BLOCKS = text('n_blocks":"');
const N_HEADERS = text('n_headers":"');
const HDR_CRC = text('hdr_crc":"');
const HDR_OFF = text('hdr_off":"');
const HDR_SIZE = text('hdr_size":"');
const algorithms = compressAlgs.map(text);

/** Bytes before the path. */
export const PATH_OFFSET = START.length;

/** Reads lines; made once and used for all of them. */
export class UsualLine {
  /** Where the path of the line that was read last ends. */
  pathEnd = 0;
  /** Behind what was understood last. */
  #at = 0;

  /**
   * Reads the line that begins at `at`, if it is a usual one and lies before `end` with its newline.
   * @param row gets what the line says; changed also where the line turns out to be unusual
   * @returns the position behind the newline, or -1 for every other line
   */
  read(line: Uint8Array, at: number, end: number, row: ListRow): number {
    // Any number or key below ends at a byte that is compared, and behind the end of the buffer there is none: what lies
    // between `end` and the end of the buffer is old, and refused here at the last.
    if (!this.#is(line, START, at)) return -1;
    const pathEnd = endOfPath(line, this.#at, end);
    if (pathEnd < 0 || !this.#is(line, SIZE, pathEnd)) return -1;
    this.pathEnd = pathEnd;
    if (line[this.#at] === MINUS) {
      if (line[this.#at + 1] !== 0x31) return -1;
      this.#at += 2;
      row.size = UNCHANGED;
    } else {
      row.size = this.#number(line, 15);
      if (row.size < 0) return -1;
    }
    if (!this.#is(line, MODE, this.#at)) return -1;
    row.mode = this.#number(line, 9);
    if (row.mode < 0 || !this.#is(line, IS_DATAFILE, this.#at)) return -1;
    const isDatafile = this.#number(line, 1);
    if ((isDatafile !== 0 && isDatafile !== 1) || !this.#is(line, IS_CFS, this.#at)) return -1;
    row.isDatafile = isDatafile === 1;
    const isCfs = this.#number(line, 1);
    if ((isCfs !== 0 && isCfs !== 1) || !this.#is(line, CRC, this.#at)) return -1;
    row.isCfs = isCfs === 1;
    row.crc = this.#number(line, 10);
    if (row.crc < 0 || row.crc > u32 || !this.#is(line, COMPRESS_ALG, this.#at)) return -1;
    row.alg = this.#algorithm(line);
    if (row.alg < 0 || !this.#is(line, EXTERNAL_DIR, this.#at)) return -1;
    row.externalDir = this.#number(line, 9);
    if (row.externalDir < 0 || !this.#is(line, DB_OID, this.#at) || this.#number(line, 15) < 0) return -1;
    if (!this.#rest(line, row) || this.#at > end) return -1;
    const type = row.mode & S_IFMT;
    if (type === S_IFREG) return this.#at;
    if (type !== S_IFDIR || row.isDatafile || row.isCfs) return -1;
    row.size = 0;
    return this.#at;
  }

  /** The keys that only some lines have, from the closing quote of the last value to the newline. */
  #rest(line: Uint8Array, row: ListRow): boolean {
    resetOptionalKeys(row);
    for (;;) {
      const at = this.#at;
      if (line[at] !== QUOTE) return false;
      if (line[at + 1] === CLOSE) {
        this.#at = at + 3;
        return line[at + 2] === NEWLINE;
      }
      if (line[at + 1] !== COMMA || line[at + 2] !== QUOTE || !this.#key(line, at + 3, row)) return false;
    }
  }

  #key(line: Uint8Array, at: number, row: ListRow): boolean {
    let value: number;
    if (this.#is(line, SEGNO, at)) {
      value = this.#number(line, 9);
      row.segno = value;
    } else if (this.#is(line, N_BLOCKS, at)) {
      value = this.#number(line, 9);
      row.nBlocks = value > 0 ? value : UNKNOWN_BLOCKS;
    } else if (this.#is(line, N_HEADERS, at)) {
      value = this.#number(line, 9);
      row.nHeaders = value;
    } else if (this.#is(line, HDR_CRC, at)) {
      value = this.#number(line, 10);
      if (value > u32) return false;
      row.headerCrc = value;
    } else if (this.#is(line, HDR_OFF, at)) {
      value = this.#number(line, 15);
      row.headerOff = value;
    } else if (this.#is(line, HDR_SIZE, at)) {
      value = this.#number(line, 9);
      row.headerSize = value;
    } else if (this.#is(line, FULL_SIZE, at)) {
      value = this.#number(line, 15);
    } else return false;
    return value >= 0;
  }

  /** Whether these bytes stand at `at`; goes on behind them if they do. */
  #is(line: Uint8Array, wanted: Uint8Array, at: number): boolean {
    const { length } = wanted;
    for (let i = 0; i < length; i++) if (line[at + i] !== wanted[i]) return false;
    this.#at = at + length;
    return true;
  }

  /** A decimal number of at most so many digits, or -1. */
  #number(line: Uint8Array, digits: number): number {
    let at = this.#at;
    const limit = at + digits;
    let value = 0;
    for (; at <= limit; at++) {
      const digit = line[at]! - 0x30;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    if (at === this.#at || at > limit) return -1;
    this.#at = at;
    return value;
  }

  #algorithm(line: Uint8Array): number {
    const at = this.#at;
    for (let i = 0; i < algorithms.length; i++) {
      if (this.#is(line, algorithms[i]!, at) && line[this.#at] === QUOTE) return i;
    }
    return -1;
  }
}

/**
 * Where the quote behind a path stands; -1 when the path is no usual one, or not allowed: empty, absolute, with a NUL or
 * a newline, or with a component that is empty or begins with a dot.
 */
function endOfPath(line: Uint8Array, start: number, end: number): number {
  let before = SLASH;
  for (let at = start; at < end; at++) {
    const byte = line[at]!;
    if (byte === QUOTE) return before === SLASH ? -1 : at;
    if (byte === 0 || byte === NEWLINE) return -1;
    if (before === SLASH && (byte === SLASH || byte === DOT)) return -1;
    before = byte;
  }
  return -1;
}
