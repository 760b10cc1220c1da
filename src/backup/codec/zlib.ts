// Decoder of zlib pages (RFC 1950). Node's synchronous inflate costs 19-31 µs a page, most of it stream set-up.

import zlib from 'node:zlib';
import { BLCKSZ } from '../constants.js';

// One byte more than a page lets a stream end without a second chunk, and shows one that makes too much.
const options: zlib.ZlibOptions = { chunkSize: BLCKSZ + 64, maxOutputLength: BLCKSZ };

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`.
 * @throws Error when the stream is damaged (its Adler-32 is checked) or does not make exactly one page
 */
export function decodeZlib(source: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): void {
  const page = zlib.inflateSync(source.subarray(start, end), options);
  if (page.length !== BLCKSZ) throw new Error(`zlib: makes ${page.length} bytes`);
  out.set(page, offset);
}
