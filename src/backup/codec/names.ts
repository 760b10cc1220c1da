// Names of page compression algorithms as content lists spell them.

export type CompressAlg = 'none' | 'zlib' | 'pglz' | 'lz4' | 'zstd';

/** Order of the compact codes kept by content lists. pg_probackup compares prefixes in this order ("z" = zlib). */
export const compressAlgs: readonly CompressAlg[] = ['zlib', 'pglz', 'none', 'lz4', 'zstd'];

/** For the reader of an error about any other one. */
export const COMPRESS_ALGS_HINT = 'none, zlib, pglz, lz4 and zstd are known: restore this backup with pg_probackup';

/**
 * Finds the algorithm a name stands for: a case-insensitive prefix, blanks around it ignored (parse_compress_alg).
 * @returns undefined for an empty or unknown name
 */
export function parseCompressAlg(text: string): CompressAlg | undefined {
  const name = text.trim().toLowerCase();
  if (name === '') return undefined;
  return compressAlgs.find((alg) => alg.startsWith(name));
}
