// Whether a page makes sense in a backup: PostgreSQL's header, and an LSN that the backup can know.

import { BLCKSZ } from '../constants.js';

const HEADER = 24;
const VALID_FLAGS = 0x0007;

/** A position in the WAL, in halves of 32 bits, and as control files write it. */
export interface Lsn {
  readonly high: number;
  readonly low: number;
  readonly text: string;
}

/**
 * The checks pg_probackup validate makes of every page that is not empty (2.5.16, data.c:parse_page, validate_one_page).
 * @param at where in `bytes` the page begins
 * @param stop where the backup ends, or undefined when unknown
 * @returns what is wrong
 */
export function pageFault(bytes: Uint8Array, at: number, stop: Lsn | undefined): string | undefined {
  const lower = u16(bytes, at + 12);
  const upper = u16(bytes, at + 14);
  const special = u16(bytes, at + 16);
  const sane =
    bytes[at + 19] === BLCKSZ >> 8 &&
    (u16(bytes, at + 10) & ~VALID_FLAGS) === 0 &&
    lower >= HEADER &&
    lower <= upper &&
    upper <= special &&
    special <= BLCKSZ &&
    special % 8 === 0;
  if (!sane) return 'its page header makes no sense';
  if (stop === undefined) return undefined;
  const high = u32(bytes, at);
  const low = u32(bytes, at + 4);
  if (high > stop.high || (high === stop.high && low > stop.low)) {
    return `its LSN ${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()} is later than the backup's end ${stop.text}`;
  }
  return undefined;
}

// Not Buffer's methods: these are inlined into the loop over all pages.
const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);
const u32 = (bytes: Uint8Array, at: number): number => (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;

/** @returns undefined for what is no LSN, and for 0/0, which stands for "unknown" */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (match === null) return undefined;
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  return high === 0 && low === 0 ? undefined : { high, low, text };
}
