// Decoder of zlib pages (RFC 1950).

import zlib from 'node:zlib';
import { BLCKSZ } from '../constants.js';
import { type Inflate, reusableInflate } from './inflate-handle.js';

/** More than a page has: a stream that makes too much shows itself, and one that ends is told from one that is cut off. */
const ROOM = BLCKSZ + 64;

/** Decoded here first: a stream that makes too much must not write behind its page. Of this thread alone. */
const page = Buffer.allocUnsafeSlow(ROOM);
let inflate: Inflate | undefined;

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`. What follows the stream within the payload is
 * ignored, as by pg_probackup's restore.
 * @throws Error when the stream is damaged (its Adler-32 is checked) or does not make exactly one page
 */
export function decodeZlib(source: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): void {
  inflate ??= reusableInflate() ?? inflateOnce;
  const made = inflate(source, start, end, page);
  if (made !== BLCKSZ) throw new Error(`zlib: makes ${made > BLCKSZ ? 'more than a page' : `${made} bytes`}`);
  page.copy(out, offset, 0, BLCKSZ);
}

/** With a stream of its own for each page: the same, and 6 µs slower. */
const inflateOnce: Inflate = (source, start, end, out) => {
  const made = zlib.inflateSync(source.subarray(start, end), { chunkSize: ROOM, maxOutputLength: ROOM });
  out.set(made);
  return made.length;
};
