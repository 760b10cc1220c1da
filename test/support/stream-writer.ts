// Writes page streams and their header-map chunks as the various versions of pg_probackup do.

import zlib from 'node:zlib';
import { BLCKSZ, type CompressAlg, crc32c, pageChecksum } from '../../src/backup/index.js';
import type { HeaderVariant, Pages } from './catalog-writer.js';
import { encodePage } from './pages.js';

export interface StoredStream {
  readonly bytes: Buffer;
  readonly records: number;
  /** Highest block + 1. */
  readonly end: number;
  /** Offsets of the record headers. */
  readonly offsets: readonly number[];
  /** Makes the chunk of page_header_map; undefined for versions without one, or without records. */
  readonly headers: ((variant: HeaderVariant) => { chunk: Buffer; crc: number }) | undefined;
}

interface StreamOptions {
  readonly alg: CompressAlg;
  /** Number of block 0 in the relation. */
  readonly firstBlock: number;
  readonly version: string;
  readonly truncateTo: number | undefined;
}

/** Encodes pages in the given order. */
export function writeStream(pages: Pages, { alg, firstBlock, version, truncateTo }: StreamOptions): StoredStream {
  const old = before(version, 2, 4);
  const pieces: Buffer[] = [];
  const offsets: number[] = [];
  const headers: { block: number; pos: number; checksum: number; lsn: bigint }[] = [];
  let pos = 0;
  let end = 0;
  const put = (bytes: Buffer) => {
    pieces.push(bytes);
    pos += bytes.length;
  };
  for (const [block, page] of pages) {
    const payload = encodePage(alg, page);
    const isZero = page.every((byte) => byte === 0);
    const checksum = isZero ? 0 : pageChecksum(page, 0, firstBlock + block);
    headers.push({ block, pos, checksum, lsn: page.readBigUInt64LE(0) });
    offsets.push(pos);
    put(recordHeader(block, payload.length));
    put(payload);
    // The padding of old versions is whatever the buffer held.
    if (old) put(Buffer.alloc(-payload.length & 7, 0xee));
    end = block + 1;
  }
  if (truncateTo !== undefined) put(recordHeader(truncateTo, -2));
  const bytes = Buffer.concat(pieces);
  const streamEnd = pos;
  return {
    bytes,
    records: headers.length,
    end,
    offsets,
    headers: old || headers.length === 0 ? undefined : (variant) => headerChunk(headers, streamEnd, variant),
  };
}

function recordHeader(block: number, size: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(block, 0);
  header.writeInt32LE(size, 4);
  return header;
}

function headerChunk(
  headers: readonly { block: number; pos: number; checksum: number; lsn: bigint }[],
  streamEnd: number,
  variant: HeaderVariant,
): { chunk: Buffer; crc: number } {
  const inflated = Buffer.alloc((headers.length + 1) * 24);
  headers.forEach(({ block, pos, checksum, lsn }, i) => {
    inflated.writeBigUInt64LE(lsn, i * 24);
    inflated.writeInt32LE(block, i * 24 + 8);
    inflated.writeInt32LE(pos, i * 24 + 12);
    inflated.writeUInt16LE(variant === 'wrong checksums' ? checksum ^ 1 || 2 : checksum, i * 24 + 16);
    // Remote backups leave garbage in the padding.
    inflated.fill(0xaa, i * 24 + 18, i * 24 + 24);
  });
  // Of the dummy at the end only pos counts.
  inflated.fill(0xbb, headers.length * 24);
  inflated.writeInt32LE(streamEnd, headers.length * 24 + 12);
  const chunk = zlib.deflateSync(inflated, { level: 1 });
  if (variant === 'bad bytes') chunk.fill(0x55, Math.floor(chunk.length / 2));
  return { chunk, crc: (crc32c(inflated) ^ (variant === 'bad crc' ? 1 : 0)) >>> 0 };
}

function before(version: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return a < major || (a === major && b < minor);
}

/** A page of zeros, which PostgreSQL has extended a relation by but not initialised. */
export const zeroPage = Buffer.alloc(BLCKSZ);
