// What a row of the file table holds, and where: words and doubles, flags and states, as all threads read them.

import { BARRIER_WORDS } from '../../pending/barrier.js';

export const ROW_BYTES = 176;
/** 32-bit words of an object's id. */
export const OBJECT_WORDS = 4;

/**
 * What a row describes. `plain`: an object of the diff is the whole file. `based`: blocks come from diff or backup.
 * `passthrough`: as plain, but the kernel reads and writes the object by itself: size and mtime are the object's, see
 * object-state.ts.
 */
export const rowKind = { free: 0, other: 1, plain: 2, based: 3, passthrough: 4 } as const;

/** 32-bit words of a row. */
export const word = {
  generation: 0,
  kind: 1,
  barrier: 2, // BARRIER_WORDS words
  attributeLock: 2 + BARRIER_WORDS,
  syncLock: 6,
  mode: 7,
  uid: 8,
  gid: 9,
  nlink: 10,
  rdev: 11,
  atimeNsec: 12,
  mtimeNsec: 13,
  ctimeNsec: 14,
  flags: 15,
  indexState: 16,
  /** not 0: the index was used since somebody last looked for one to evict */
  indexUsed: 17,
  /** OBJECT_WORDS words: the object's id, 32 hex digits */
  object: 34,
  /** what is known of the backup's copy, see `baseCheck` */
  baseChecks: 38,
  /** blocks of the block index */
  indexBlocks: 39,
  /** bytes written since the data was last on its way to the disk, see unflushed.ts */
  unflushed: 40,
} as const;

/** 64-bit words of a row. */
export const double = {
  size: 9,
  atime: 10,
  mtime: 11,
  ctime: 12,
  ino: 13,
  /** arena offset of the block index: u32 file offsets, then u32 infos */
  indexOffset: 14,
  /** arena offset of the diff's block map state; 0 while it is not loaded */
  diffState: 15,
  /** arena offset of the block index's u16 page checksums */
  checksumOffset: 16,
  /** kind passthrough: mtime of the object when row and object last agreed, in ms; 0: there was none */
  objectMtime: 21,
} as const;

/** Bits of the flags word. */
export const rowFlag = {
  /** the file has an object in the diff; one made on the mount gets it with its first change of data */
  object: 1,
  /** data was written since the last completed sync */
  dirtyData: 2,
  /** an fdatasync of a plain file failed, or a close of any: what is durable is unknown until the next mount */
  syncFailed: 8,
  /** a data thread is about to change data for somebody unprivileged and asks the namespace to record that set-id bits go */
  dropSetId: 16,
  /** the data goes with the mount, see transient-wal.ts: an fsync of it does nothing */
  transient: 32,
  /** PostgreSQL will not sync the data, see temporary-files.ts: no hurry to write it back */
  temporary: 64,
} as const;

/** Bits of the baseChecks word; they hold for the copy whose identity is in the file's description. */
export const baseCheck = {
  /** the stored copy of a raw file has its listed CRC */
  rawVerified: 1,
  /** pages that were bad in the source have been reported */
  badReported: 2,
} as const;

/** States of the indexState word; see index-cache.ts. */
export const indexState = { none: 0, building: 1, ready: 2, evicting: 3 } as const;
