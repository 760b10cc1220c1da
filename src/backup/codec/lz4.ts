// Decoder of raw LZ4 blocks (no frame): what Enterprise editions are believed to store pages as, and the parts of a frame.

import { BLCKSZ } from '../constants.js';

const MIN_MATCH = 4;

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`.
 * @throws Error when the block is malformed or does not make exactly one page
 */
export function decodeLz4(source: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): void {
  const to = decodeLz4Block(source, start, end, out, offset, offset + BLCKSZ, offset);
  if (to !== offset + BLCKSZ) throw new Error(`lz4: makes ${to - offset} bytes`);
}

/**
 * Decodes one block source[start, end) to `out`, from `offset` up to `limit` at most.
 * @param floor how far back matches may reach: earlier blocks of a frame are their dictionary
 * @returns where the decoded bytes end
 * @throws Error when the block is malformed or makes more than fits
 */
export function decodeLz4Block(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  offset: number,
  limit: number,
  floor: number,
): number {
  let from = start;
  let to = offset;
  const moreLength = () => {
    let length = 0;
    for (;;) {
      if (from >= end) throw new Error('lz4: cut off');
      const byte = source[from++]!;
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (from < end) {
    const token = source[from++]!;
    let literals = token >> 4;
    if (literals === 15) literals += moreLength();
    if (literals > end - from) throw new Error('lz4: cut off');
    if (literals > limit - to) throw new Error('lz4: makes more than it may');
    for (const stop = from + literals; from < stop; ) out[to++] = source[from++]!;
    // The last sequence of a block has literals only.
    if (from === end) break;
    if (end - from < 2) throw new Error('lz4: cut off');
    const distance = source[from]! | (source[from + 1]! << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) length += moreLength();
    length += MIN_MATCH;
    if (distance === 0 || distance > to - floor) throw new Error('lz4: refers to bytes before its start');
    if (length > limit - to) throw new Error('lz4: makes more than it may');
    for (const stop = to + length; to < stop; to++) out[to] = out[to - distance]!;
  }
  return to;
}
