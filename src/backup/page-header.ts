// The header of a PostgreSQL page (src/include/storage/bufpage.h), as far as a reader of backups looks at it.

import { BLCKSZ } from './constants.js';

/** Offset of pd_checksum, 2 bytes. */
export const PD_CHECKSUM = 8;

const PD_FLAGS_VALID = 0x0007;
const HEADER_SIZE = 24;

/**
 * Whether a page that is not empty has a header that makes sense; the checks of pg_probackup (2.5.16, data.c:parse_page).
 * @param at where in `bytes` the page begins
 */
export function hasSaneHeader(bytes: Uint8Array, at: number): boolean {
  const lower = u16(bytes, at + 12);
  const upper = u16(bytes, at + 14);
  const special = u16(bytes, at + 16);
  // Size and version share two bytes; the size is a multiple of 256.
  return (
    bytes[at + 19] === BLCKSZ >> 8 &&
    (u16(bytes, at + 10) & ~PD_FLAGS_VALID) === 0 &&
    lower >= HEADER_SIZE &&
    lower <= upper &&
    upper <= special &&
    special <= BLCKSZ &&
    special % 8 === 0
  );
}

// Not Buffer's methods: this is inlined into loops over all pages.
const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);
