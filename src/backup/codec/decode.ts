// One stored payload to one page, by the codec of its file.

import { BLCKSZ } from '../constants.js';
import { decodeByWasm } from './lz-wasm.js';
import { decodeLz4 } from './lz4.js';
import type { CompressAlg } from './names.js';
import { decodePglz } from './pglz.js';
import { decodeZlib } from './zlib.js';
import { decodeZstd } from './zstd.js';

type Decoder = (source: Buffer, start: number, end: number, out: Uint8Array, offset: number) => void;

/** WebAssembly only tells whether it could decode a payload. Where it could not, JavaScript decodes again and throws what is wrong. */
const first =
  (alg: 'pglz' | 'lz4', otherwise: Decoder): Decoder =>
  (source, start, end, out, offset) => {
    if (!decodeByWasm(alg, source, start, end, out, offset)) otherwise(source, start, end, out, offset);
  };

const decoders: Record<CompressAlg, Decoder> = {
  none: () => {
    throw new Error('a compressed page in a file that is listed as uncompressed');
  },
  zlib: decodeZlib,
  pglz: first('pglz', decodePglz),
  lz4: first('lz4', decodeLz4),
  zstd: decodeZstd,
};

/**
 * Decodes source[start, end) into exactly 8192 bytes at `offset` of `out`. A payload of 8192 bytes is a raw page whatever
 * the codec: pages that do not shrink are stored as they are.
 * @throws Error that says what is wrong with the payload; `out` may hold rubbish then
 */
export function decodePage(
  alg: CompressAlg,
  source: Buffer,
  start: number,
  end: number,
  out: Uint8Array,
  offset: number,
): void {
  if (end - start === BLCKSZ) {
    // Buffer.copy is a memmove without a view object per page.
    source.copy(out, offset, start, end);
  } else decoders[alg](source, start, end, out, offset);
}

/** Decodes with the codec even though the payload has the size of a raw page. */
export function decodeFullSizePayload(
  alg: CompressAlg,
  source: Buffer,
  start: number,
  out: Uint8Array,
  offset: number,
): void {
  decoders[alg](source, start, start + BLCKSZ, out, offset);
}
