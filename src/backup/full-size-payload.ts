// Records of exactly 8192 bytes in backups before 2.0.23: a raw page, or a page that compressed to just that size.

import type { CompressAlg } from './codec/names.js';
import { hasSaneHeader } from './page-header.js';

const ZLIB_FIRST_BYTE = 0x78;

/**
 * Tells the two apart as pg_probackup does (page_may_be_compressed): what has a sane page header is a raw page; for zlib
 * the first byte must fit as well.
 * @param at start of the payload
 */
export function looksCompressed(bytes: Buffer, at: number, alg: CompressAlg): boolean {
  return !hasSaneHeader(bytes, at) && !(alg === 'zlib' && bytes[at] !== ZLIB_FIRST_BYTE);
}
