// One zstd frame: by Node where this version can (22.15 on), else by fzstd.

import { createRequire } from 'node:module';
import zlib from 'node:zlib';

type Fzstd = typeof import('fzstd');
type SyncDecoder = (frame: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

/** Types for Node 20 do not know it. */
const native = (zlib as { zstdDecompressSync?: SyncDecoder }).zstdDecompressSync;
let loaded: Fzstd | undefined;

/** @param most bytes that it may make, which only Node heeds; it alone checks the frame's checksum, too. @throws Error when the frame is damaged */
export function zstdDecompress(frame: Uint8Array, most: number): Uint8Array {
  if (native !== undefined) return native(frame, { maxOutputLength: most });
  // Few catalogs have zstd at all, and loading it costs every process and thread 3 ms.
  loaded ??= createRequire(import.meta.url)('fzstd') as Fzstd;
  return loaded.decompress(frame);
}
