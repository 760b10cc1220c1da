// Whether a page makes sense in a backup: PostgreSQL's header, and an LSN that the backup can know.

import { BLCKSZ } from '../constants.js';

const HEADER = 24;
const VALID_FLAGS = 0x0007;

/**
 * The checks pg_probackup validate makes of every page that is not empty (2.5.16, data.c:parse_page, validate_one_page).
 * @param stopLsn `%X/%X`, or '' when unknown
 * @returns what is wrong
 */
export function pageFault(page: Buffer, stopLsn: string): string | undefined {
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
  const [high, low] = [page.readUInt32LE(0), page.readUInt32LE(4)];
  const stop = parseLsn(stopLsn);
  if (stop !== undefined && (high > stop.high || (high === stop.high && low > stop.low))) {
    return `its LSN ${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()} is later than the backup's end ${stopLsn}`;
  }
  return undefined;
}

/** @returns undefined for what is no LSN, and for 0/0, which stands for "unknown" */
export function parseLsn(text: string): { high: number; low: number } | undefined {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text);
  if (match === null) return undefined;
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
  return high === 0 && low === 0 ? undefined : { high, low };
}
