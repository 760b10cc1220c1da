// The arrays of 32-bit words in which fuse-native takes attributes: struct stat and struct statvfs, cut down.

import { DIFF_INO_BASE } from '../../overlay/namespace/inode.js';
import type { Attributes } from '../../overlay/shared/attributes.js';
import type { FileSystemNumbers } from '../file-system-stat.js';

export const STAT_WORDS = 18;
export const STATFS_WORDS = 11;

const BLOCK_SIZE = 8192;
const LIMIT = 2 ** 32;
/** Numbers of the diff's inodes begin here; the backup's lie below, and the topmost belong to the status files. */
const DIFF_NUMBERS = 2 ** 31;
const STATUS_NUMBERS = 2 ** 12;
const FIRST_STATUS_INO = 2 ** 50;

/** Fills the words of a struct stat. Times have milliseconds and begin in 1970, inode numbers 32 bits. */
export function writeStat(words: Uint32Array, attributes: Readonly<Attributes>): void {
  const { size } = attributes;
  words[0] = attributes.mode;
  words[1] = attributes.uid;
  words[2] = attributes.gid;
  pair(words, 3, size);
  words[5] = 0;
  words[6] = attributes.nlink;
  words[7] = shortIno(attributes.ino);
  words[8] = attributes.rdev;
  words[9] = BLOCK_SIZE;
  pair(words, 10, Math.ceil(size / 512));
  pair(words, 12, milliseconds(attributes.atime, attributes.atimeNsec));
  pair(words, 14, milliseconds(attributes.mtime, attributes.mtimeNsec));
  pair(words, 16, milliseconds(attributes.ctime, attributes.ctimeNsec));
}

/** What a listing tells of an entry. */
export function listedStat(ino: number, mode: number): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  words[0] = mode;
  words[6] = 1;
  words[7] = shortIno(ino);
  return words;
}

/** An inode number in 32 bits; unique as long as fewer than 2^31 files were made in a diff. */
function shortIno(ino: number): number {
  if (ino < DIFF_NUMBERS) return ino;
  if (ino >= FIRST_STATUS_INO) return LIMIT - STATUS_NUMBERS + 64 * Math.floor(ino / FIRST_STATUS_INO) + (ino % 64);
  return DIFF_NUMBERS + ((ino - DIFF_INO_BASE) % (DIFF_NUMBERS - STATUS_NUMBERS));
}

/** A struct statvfs; larger blocks where their number has no room. */
export function statfsWords(stat: FileSystemNumbers): Uint32Array {
  let scale = 1;
  while (stat.blocks / scale >= LIMIT) scale *= 2;
  const blocks = (count: number): number => Math.floor(count / scale);
  const files = (count: number): number => Math.min(count, LIMIT - 1);
  const bsize = stat.bsize * scale;
  return Uint32Array.of(
    bsize,
    bsize,
    blocks(stat.blocks),
    blocks(stat.bfree),
    blocks(stat.bavail),
    files(stat.files),
    files(stat.ffree),
    files(stat.ffree),
    0,
    0,
    255,
  );
}

/** Offsets of atime and mtime (64 bits each) in fuse-native's record of a thread, on 64-bit little-endian machines. */
const ATIME_AT = 104;
const MTIME_AT = 112;

/**
 * The mtime of a utimens call, in ms. fuse-native passes atime in its place; the right one stands in the thread's record.
 * @returns undefined where the record is not laid out as expected
 */
export function mtimeOf(locals: Buffer, atime: number): number | undefined {
  if (locals.length < MTIME_AT + 8 || unsigned(locals, ATIME_AT) !== atime) return undefined;
  return Number(locals.readBigInt64LE(MTIME_AT));
}

function unsigned(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * LIMIT;
}

function pair(words: Uint32Array, at: number, value: number): void {
  words[at] = value % LIMIT;
  words[at + 1] = Math.floor(value / LIMIT);
}

function milliseconds(seconds: number, nsec: number): number {
  return Math.max(0, seconds * 1000 + Math.floor(nsec / 1e6));
}
