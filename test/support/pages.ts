// Made-up heap pages and the encoders that turn them into stored payloads.

import zlib from 'node:zlib';
import { BLCKSZ, type CompressAlg, pageChecksum, RELSEG_BLOCKS } from '../../src/backup/index.js';

/** A valid-looking page whose content depends on `seed`; most of it is zeros, so that every codec shrinks it. */
export function makePage(seed: number, absoluteBlock: number, { checksum = true, filled = false } = {}): Buffer {
  const page = Buffer.alloc(BLCKSZ);
  page.writeUInt32LE(seed, 0);
  page.writeUInt32LE(seed * 7919 + 40, 4);
  const used = filled ? BLCKSZ - 24 : 64;
  page.writeUInt16LE(24, 12);
  page.writeUInt16LE(BLCKSZ - used, 14);
  page.writeUInt16LE(BLCKSZ, 16);
  page.writeUInt16LE(BLCKSZ | 4, 18);
  let state = seed + 1;
  for (let i = 24; i < 24 + used; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    page[i] = state >>> 16;
  }
  if (checksum) page.writeUInt16LE(pageChecksum(page, 0, absoluteBlock), 8);
  return page;
}

/** Block number within the relation fork. */
export function absolute(segno: number, block: number): number {
  return segno * RELSEG_BLOCKS + block;
}

/** What pg_probackup would store of a page: the encoded form where it is smaller, else the page itself. */
export function encodePage(alg: CompressAlg, page: Buffer): Buffer {
  const encoded = encoders[alg](page);
  return encoded.length < BLCKSZ ? encoded : page;
}

const encoders: Record<CompressAlg, (page: Buffer) => Buffer> = {
  none: (page) => page,
  zlib: (page) => zlib.deflateSync(page, { level: 1 }),
  pglz: encodePglz,
  lz4: encodeLz4,
  zstd: encodeZstd,
};

/** A plain greedy pglz encoder: matches are looked for in a table of the last place of each 3-byte sequence. */
export function encodePglz(page: Buffer): Buffer {
  const out: number[] = [];
  const last = new Map<number, number>();
  let control = 0;
  let bit = 8;
  const item = (isMatch: boolean, ...bytes: number[]) => {
    if (bit === 8) {
      control = out.push(0) - 1;
      bit = 0;
    }
    if (isMatch) out[control]! |= 1 << bit;
    bit++;
    out.push(...bytes);
  };
  for (let at = 0; at < page.length; ) {
    const key = at + 3 <= page.length ? page.readUIntLE(at, 3) : -1;
    const from = last.get(key);
    if (key >= 0) last.set(key, at);
    const distance = from === undefined ? 0 : at - from;
    let length = 0;
    if (distance > 0 && distance < 4096) {
      while (length < 273 && at + length < page.length && page[at + length] === page[at + length - distance]) length++;
    }
    if (length < 3) {
      item(false, page[at]!);
      at++;
    } else {
      const bytes = [((distance >> 4) & 0xf0) | (length > 17 ? 15 : length - 3), distance & 0xff];
      if (length > 17) bytes.push(length - 18);
      item(true, ...bytes);
      at += length;
    }
  }
  return Buffer.from(out);
}

/** LZ4 block: literals up to the page's last run of equal bytes, that run as one match, five closing literals. */
function encodeLz4(page: Buffer): Buffer {
  const { runStart, tail } = longRun(page);
  const literals = page.subarray(0, runStart + 1);
  const matchLength = BLCKSZ - literals.length - tail;
  return Buffer.concat([
    Buffer.of(0xf0 | Math.min(15, matchLength - 4)),
    extraLength(literals.length - 15),
    literals,
    Buffer.of(1, 0),
    extraLength(matchLength - 4 - 15),
    Buffer.of(tail << 4),
    page.subarray(BLCKSZ - tail),
  ]);
}

function extraLength(rest: number): Buffer {
  const bytes = Buffer.alloc(Math.floor(rest / 255) + 1, 255);
  bytes[bytes.length - 1] = rest % 255;
  return bytes;
}

/** zstd frame with one raw block, one run-length block and a raw block with the rest. */
function encodeZstd(page: Buffer): Buffer {
  const { runStart, tail } = longRun(page);
  const header = (size: number, type: number, last: boolean) => {
    const bytes = Buffer.alloc(3);
    bytes.writeUIntLE((size << 3) | (type << 1) | (last ? 1 : 0), 0, 3);
    return bytes;
  };
  return Buffer.concat([
    // Single segment, 2-byte content size (stored minus 256), no checksum.
    Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x60, (BLCKSZ - 256) & 0xff, (BLCKSZ - 256) >> 8),
    header(runStart, 0, false),
    page.subarray(0, runStart),
    header(BLCKSZ - runStart - tail, 1, false),
    page.subarray(runStart, runStart + 1),
    header(tail, 0, true),
    page.subarray(BLCKSZ - tail),
  ]);
}

/** The run of equal bytes before the last `tail` bytes of a page. */
function longRun(page: Buffer): { runStart: number; tail: number } {
  const tail = 5;
  const end = BLCKSZ - tail;
  let runStart = end - 1;
  while (runStart > 16 && page[runStart - 1] === page[end - 1]) runStart--;
  // Even a run of few bytes leaves room for a match of at least four.
  return { runStart: Math.min(runStart, end - 8), tail };
}
