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
 * @param stop where the backup ends, or undefined when unknown
 * @returns what is wrong
 */
export function pageFault(page: Buffer, stop: Lsn | undefined): string | undefined {
  const lower = page.readUInt16LE(12);
  const upper = page.readUInt16LE(14);
  const special = page.readUInt16LE(16);
  const sane =
    (page.readUInt16LE(18) & 0xff00) === BLCKSZ &&
    (page.readUInt16LE(10) & ~VALID_FLAGS) === 0 &&
    lower >= HEADER &&
    lower <= upper &&
    upper <= special &&
    special <= BLCKSZ &&
    special % 8 === 0;
  if (!sane) return 'its page header makes no sense';
  const high = page.readUInt32LE(0);
  const low = page.readUInt32LE(4);
  if (stop !== undefined && (high > stop.high || (high === stop.high && low > stop.low))) {
    return `its LSN ${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()} is later than the backup's end ${stop.text}`;
  }
  return undefined;
}

/** @returns undefined for what is no LSN, and for 0/0, which stands for "unknown" */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (match === null) return undefined;
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  return high === 0 && low === 0 ? undefined : { high, low, text };
}
