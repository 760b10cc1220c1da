// The long page header at the start of every WAL segment: which place of which cluster's WAL it is, and its size.

/*
 * XLogLongPageHeaderData (PostgreSQL 13-18, src/include/access/xlog_internal.h), little-endian:
 *    0 u16 xlp_magic   2 u16 xlp_info   4 u32 xlp_tli   8 u64 xlp_pageaddr   16 u32 xlp_rem_len   20 pad
 *   24 u64 xlp_sysid   32 u32 xlp_seg_size   36 u32 xlp_xlog_blcksz
 */
export const LONG_HEADER = 40;
export const SHORT_HEADER = 24;
export const XLP_FIRST_IS_CONTRECORD = 1;
const XLP_LONG_HEADER = 2;
/** A page begins with this flag where PostgreSQL (13.5, 14.1 and later) gave up a record that a crash had cut off. */
export const XLP_FIRST_IS_OVERWRITE_CONTRECORD = 8;
export const XLP_ALL_FLAGS = 15;

export interface SegmentHeader {
  readonly timeline: number;
  /** Position of the segment's first byte. */
  readonly address: number;
  readonly systemIdentifier: bigint;
  /** Bytes, a power of two from 1 MiB to 1 GiB. */
  readonly segmentSize: number;
  /** Bytes of a page. */
  readonly blockSize: number;
}

/** @returns undefined when the bytes do not begin like a WAL segment */
export function readSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < LONG_HEADER || (bytes.readUInt16LE(2) & XLP_LONG_HEADER) === 0) return undefined;
  const segmentSize = bytes.readUInt32LE(32);
  const blockSize = bytes.readUInt32LE(36);
  if (!isPowerOfTwo(segmentSize, 1 << 20, 1 << 30) || !isWalBlockSize(blockSize)) return undefined;
  const address = Number(bytes.readBigUInt64LE(8));
  return {
    timeline: bytes.readUInt32LE(4),
    address,
    systemIdentifier: bytes.readBigUInt64LE(24),
    segmentSize,
    blockSize,
  };
}

/** What PostgreSQL can be built with (--with-wal-blocksize). */
export function isWalBlockSize(bytes: number): boolean {
  return isPowerOfTwo(bytes, 1 << 10, 1 << 16);
}

function isPowerOfTwo(size: number, least: number, most: number): boolean {
  return size >= least && size <= most && (size & (size - 1)) === 0;
}
