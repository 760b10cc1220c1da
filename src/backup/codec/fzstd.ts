// fzstd, the zstd decoder for Node versions without one of their own: loaded when the first frame comes.

import { createRequire } from 'node:module';

type Fzstd = typeof import('fzstd');

let loaded: Fzstd | undefined;

/** Decodes one frame. @throws Error when it is damaged; its checksum is not looked at */
export function fzstdDecompress(frame: Uint8Array): Uint8Array {
  // Few catalogs have zstd at all, and loading it costs every process and thread 3 ms.
  loaded ??= createRequire(import.meta.url)('fzstd') as Fzstd;
  return loaded.decompress(frame);
}
