// Page compression as pg_probackup does it: zlib by Node, lz4 and zstd by their C libraries, pglz by PostgreSQL's rules.

import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import type koffi from 'koffi';
import { BLCKSZ, type CompressAlg } from '../../src/backup/index.js';
import { encodePglz } from '../../test/support/pages.js';

/** Bytes that stand for a page; valid until the next call. */
export type Encoder = (page: Buffer) => Buffer;

/** @throws Error that names the library that is missing */
export function encoderOf(alg: CompressAlg): Encoder {
  const encode = encoders[alg]();
  return (page) => {
    const stored = encode(page);
    return stored.length < BLCKSZ ? stored : page;
  };
}

const encoders: Record<CompressAlg, () => Encoder> = {
  none: () => (page) => page,
  zlib: () => (page) => zlib.deflateSync(page, { level: 1 }),
  pglz: () => encodePglz,
  lz4: () => {
    const compress = foreign('liblz4.so.1', 'int LZ4_compress_default(const void *, void *, int, int)');
    return into((out, page) => compress(page, out, BLCKSZ, out.length));
  },
  zstd: () => {
    const compress = foreign('libzstd.so.1', 'size_t ZSTD_compress(void *, size_t, const void *, size_t, int)');
    return into((out, page) => compress(out, out.length, page, BLCKSZ, 1));
  },
};

function into(compress: (out: Buffer, page: Buffer) => number): Encoder {
  const out = Buffer.alloc(2 * BLCKSZ);
  return (page) => out.subarray(0, Number(compress(out, page)));
}

function foreign(library: string, prototype: string): (...args: unknown[]) => number {
  const ffi = createRequire(import.meta.url)('koffi') as typeof koffi;
  try {
    return ffi.load(library).func(prototype) as unknown as (...args: unknown[]) => number;
  } catch (error) {
    throw new Error(`${library} cannot be loaded, which makes the pages: ${(error as Error).message}`);
  }
}
