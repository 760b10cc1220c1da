// Decoder of zstd pages (one frame each), as Enterprise editions are believed to store them. Experimental.

import { BLCKSZ } from '../constants.js';
import { zstdDecompress } from './zstd-frame.js';

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`.
 * @throws Error when the frame is damaged or does not make exactly one page
 */
export function decodeZstd(source: Uint8Array, start: number, end: number, out: Uint8Array, offset: number): void {
  const frame = source.subarray(start, end);
  const declared = declaredSize(frame);
  if (declared !== undefined && declared !== BLCKSZ) throw new Error(`zstd: makes ${declared} bytes`);
  const page = zstdDecompress(frame, BLCKSZ);
  if (page.length !== BLCKSZ) throw new Error(`zstd: makes ${page.length} bytes`);
  out.set(page, offset);
}

/** Frame_Content_Size of a frame's header (RFC 8878, 3.1.1.1), so that a damaged one cannot ask for gigabytes. */
function declaredSize(frame: Uint8Array): number | undefined {
  const descriptor = frame[4]!;
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  switch (descriptor >> 6) {
    case 0:
      return single ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
