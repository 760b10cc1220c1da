// Decoder of pglz (PostgreSQL's own LZ), raw as pg_probackup and WAL store it: no header, control byte first.

import { BLCKSZ } from '../constants.js';

/**
 * Decodes source[start, end) into exactly `size` bytes at `offset` of `out`.
 * @throws Error when the input is cut off, refers to bytes before the page, makes too much or too little, or has bytes left
 */
export function decodePglz(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  offset: number,
  size = BLCKSZ,
): void {
  const limit = offset + size;
  let from = start;
  let to = offset;
  while (from < end && to < limit) {
    let control = source[from++]!;
    for (let bit = 0; bit < 8 && from < end && to < limit; bit++, control >>= 1) {
      if ((control & 1) === 0) {
        out[to++] = source[from++]!;
        continue;
      }
      if (from + 2 > end) throw new Error('pglz: cut off');
      let length = (source[from]! & 0x0f) + 3;
      const distance = ((source[from]! & 0xf0) << 4) | source[from + 1]!;
      from += 2;
      if (length === 18) {
        if (from >= end) throw new Error('pglz: cut off');
        length += source[from++]!;
      }
      if (distance === 0 || distance > to - offset) throw new Error('pglz: refers to bytes before the page');
      if (length > limit - to) throw new Error('pglz: makes more than a page');
      if (distance >= length) {
        out.copyWithin(to, to - distance, to - distance + length);
        to += length;
      } else {
        for (const stop = to + length; to < stop; to++) out[to] = out[to - distance]!;
      }
    }
  }
  if (to !== limit) throw new Error(`pglz: makes ${to - offset} bytes`);
  if (from !== end) throw new Error(`pglz: ${end - from} bytes left over`);
}
