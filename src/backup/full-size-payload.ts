// Records of exactly 8192 bytes in backups before 2.0.23: a raw page, or a page that compressed to just that size.

import type { CompressAlg } from './codec/names.js';
import { BLCKSZ } from './constants.js';

const PD_FLAGS_VALID = 0x0007;
const PAGE_HEADER_SIZE = 24;
const ZLIB_FIRST_BYTE = 0x78;

/**
 * Tells the two apart as pg_probackup does (page_may_be_compressed): what has a sane page header is a raw page; for zlib
 * the first byte must fit as well.
 * @param at start of the payload
 */
export function looksCompressed(bytes: Buffer, at: number, alg: CompressAlg): boolean {
  const flags = bytes.readUInt16LE(at + 10);
  const lower = bytes.readUInt16LE(at + 12);
  const upper = bytes.readUInt16LE(at + 14);
  const special = bytes.readUInt16LE(at + 16);
  const pageSize = bytes.readUInt16LE(at + 18) & 0xff00;
  const sane =
    pageSize === BLCKSZ &&
    (flags & ~PD_FLAGS_VALID) === 0 &&
    lower >= PAGE_HEADER_SIZE &&
    lower <= upper &&
    upper <= special &&
    special <= BLCKSZ &&
    special % 8 === 0;
  return !sane && !(alg === 'zlib' && bytes[at] !== ZLIB_FIRST_BYTE);
}
