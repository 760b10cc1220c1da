// `.pbkfs/inode-N`: where the data of the file with inode number N lies right now, for `pbkfs info --file`.

import type { BlockState } from '../diff/block-state.js';
import type { Inode } from './inode.js';
import { ownFile } from './virtual-file.js';

/** Inode number of the file that tells about inode 0, out of reach of all others. */
const FIRST_INO = 2 ** 52;

/** Name of the file for an inode. */
export function inodeFileName(ino: number): string {
  return `inode-${ino}`;
}

/** The inode number in such a name; undefined for other names. */
export function inodeNumber(name: string): number | undefined {
  const digits = /^inode-(\d{1,16})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** What the file holds, as JSON. */
export interface InodeFile {
  /** What the target's content list calls it (latin1); null for a file made on the mount: the object is all of it. */
  readonly source: string | null;
  /** Object of the diff; null while every block comes from the backup. */
  readonly object: string | null;
  /** Bytes. */
  readonly length: number;
  /** Bytes of the backup that still count; the object is the truth from there on. */
  readonly baseLimit: number;
  /** Blocks below baseLimit that the object has: base64 of bits, block n is bit n%8 of byte n/8. */
  readonly present: string;
}

/** @param state the loaded block map; null without an object */
export function describeInode(inode: Inode, length: number, state: BlockState | null): InodeFile {
  if (!inode.isBased) return { source: null, object: inode.objectId, length, baseLimit: 0, present: '' };
  return {
    source: inode.base!.sourcePath,
    object: inode.objectId,
    length,
    baseLimit: state?.baseLimit ?? length,
    present: state === null ? '' : Buffer.from(state.copyBits()).toString('base64'),
  };
}

/** The file itself. */
export function inodeFile(ino: number, told: InodeFile, uid: number, gid: number): Inode {
  return ownFile(FIRST_INO + ino, Buffer.from(`${JSON.stringify(told)}\n`), uid, gid);
}
