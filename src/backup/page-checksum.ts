// PostgreSQL's data page checksum (src/include/storage/checksum_impl.h): FNV-1a in 32 parallel lanes.

import { BLCKSZ } from './constants.js';
import { type LaneSums, simdLaneSums } from './page-checksum-simd.js';

const LANES = 32;
const FNV_PRIME = 16777619;

const baseOffsets = Int32Array.of(
  0x5b1f36e9,
  0xb8525960,
  0x02ab50aa,
  0x1de66d2a,
  0x79ff467a,
  0x9bb9f8a3,
  0x217e7cd2,
  0x83e13d2c,
  0xf8d4474f,
  0xe39eb970,
  0x42c6ae16,
  0x993216fa,
  0x7b093b5d,
  0x98daff3c,
  0xf718902a,
  0x0b1c9cdb,
  0xe58f764b,
  0x187636bc,
  0x5d7b3bb1,
  0xe73de7de,
  0x92bec979,
  0xcca6c0b2,
  0x304a0979,
  0x85aa43d4,
  0x783125bb,
  0x6ca8eaa2,
  0xe407eac6,
  0x4b5cfc3e,
  0x9fbf8c76,
  0x15ca20be,
  0xf2ca9fd3,
  0x959bd756,
);

/** Never used across calls, so one for the thread is enough. */
let lanes: LaneSums | undefined;

/**
 * Checksum of the 8192 bytes at `offset`, pd_checksum taken as zero.
 * @param absoluteBlock block number within the whole relation fork: DatafileSource.firstBlock + block
 * @returns 1..65535
 */
export function pageChecksum(bytes: Uint8Array, offset: number, absoluteBlock: number): number {
  lanes ??= pageMemory(BLCKSZ);
  return checksumBy(lanes, bytes, offset, absoluteBlock);
}

/** pageChecksum by lanes of the caller's, whose memory has room for one page. */
export function checksumBy(lanes: LaneSums, bytes: Uint8Array, offset: number, absoluteBlock: number): number {
  lanes.bytes.set(bytes.subarray(offset, offset + BLCKSZ));
  return checksumInPlace(lanes, 0, absoluteBlock);
}

/** Memory of `size` bytes in which {@link checksumInPlace} works on pages where they were read to. */
export function pageMemory(size: number): LaneSums {
  return simdLaneSums(baseOffsets, size) ?? plainLaneSums(size);
}

/** pageChecksum of the page at `at` of that memory. It has zeros in the place of pd_checksum from then on. */
export function checksumInPlace(lanes: LaneSums, at: number, absoluteBlock: number): number {
  lanes.bytes[at + 8] = 0;
  lanes.bytes[at + 9] = 0;
  return (((lanes.sum(at) ^ absoluteBlock) >>> 0) % 65535) + 1;
}

/** The lanes in JavaScript. */
export function plainLaneSums(size = BLCKSZ): LaneSums {
  const bytes = new Uint8Array(size);
  const page = new Uint8Array(BLCKSZ);
  const words = new Int32Array(page.buffer);
  return {
    bytes,
    sum: (at) => {
      page.set(bytes.subarray(at, at + BLCKSZ));
      return sumOf(words);
    },
  };
}

function sumOf(words: Int32Array): number {
  let result = 0;
  // Four lanes at a time stay in registers: 1.4 µs a page; with all sums in an array it takes 3.0.
  for (let lane = 0; lane < LANES; lane += 4) {
    let s0 = baseOffsets[lane]!;
    let s1 = baseOffsets[lane + 1]!;
    let s2 = baseOffsets[lane + 2]!;
    let s3 = baseOffsets[lane + 3]!;
    for (let i = lane; i < BLCKSZ / 4; i += LANES) {
      s0 = mix(s0, words[i]!);
      s1 = mix(s1, words[i + 1]!);
      s2 = mix(s2, words[i + 2]!);
      s3 = mix(s3, words[i + 3]!);
    }
    // Two rounds of zeros at the end.
    result ^= mix(mix(s0, 0), 0) ^ mix(mix(s1, 0), 0) ^ mix(mix(s2, 0), 0) ^ mix(mix(s3, 0), 0);
  }
  return result;
}

function mix(sum: number, word: number): number {
  const mixed = sum ^ word;
  return Math.imul(mixed, FNV_PRIME) ^ (mixed >>> 17);
}

/** Whether the 8192 bytes at `offset` are all zero: a page PostgreSQL has not initialised yet. */
export function isZeroPage(bytes: Uint8Array, offset: number): boolean {
  for (let i = offset; i < offset + BLCKSZ; i++) if (bytes[i] !== 0) return false;
  return true;
}
