// An inode as the namespace thread sees it: identity, attributes, where its content comes from, how it is referred to.

import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../backup/constants.js';
import type { Attributes } from '../shared/attributes.js';
import { rowFlag } from '../shared/row-layout.js';
import type { BaseNode } from './base-node.js';

export { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG };

/** Inodes that the diff made get numbers above every number a backup's tree can have. */
export const DIFF_INO_BASE = 2 ** 40;

/** Bytes from one position to another, as many as there are; may throw what reading them did. */
export interface VirtualContent {
  subarray(from: number, to: number): Uint8Array;
}

export class Inode {
  /** attributes while the inode has no row; with a row the file table is the truth */
  readonly attributes: Attributes;
  /** what the backup has for this inode; null for what was made on the mount */
  readonly base: BaseNode<Inode> | null;
  /** symlink target, latin1 */
  readonly target: string | null;
  /** number in the journal; 0 while the diff does not know the inode */
  journalId = 0;
  /** object of the diff that holds the data, or part of it; of a file made on the mount, once something was written */
  objectId: string | null = null;
  /** arena offset of the block map's state once it is loaded; it stays while the diff knows the inode */
  diffState = 0;
  /** blocks that object and map take by the journal, while the map is not loaded; null: unknown */
  heldBlocks: number | null = null;
  /** flags of the row while the inode has none */
  flags = 0;
  /** when the journal last said what mtime is, in ms: a later write is known to the object only */
  mtimeSaid = 0;
  /** names that lead here */
  links: number;
  /** row of the file table; 0 while the kernel does not know the inode */
  row = 0;
  generation = 0;
  /** references the kernel holds */
  lookups = 0;
  /** directories: number of directories below */
  subdirectories = 0;
  /** directories: names that differ from the backup's; null hides one of the backup's */
  readonly changed: Map<string, Inode | null> | null;
  /** directories: where `..` leads */
  parent: Inode | null = null;
  /** stored files of the backup as they were when the kernel's present reference first needed them */
  identities: readonly number[] | null = null;
  /** content that pbkfs itself shows (status files, archived WAL); never journaled, never changed */
  virtual: VirtualContent | null = null;

  constructor(attributes: Attributes, base: BaseNode<Inode> | null, target: string | null, links: number) {
    this.attributes = attributes;
    this.base = base;
    this.target = target;
    this.links = links;
    this.changed = (attributes.mode & S_IFMT) === S_IFDIR ? new Map() : null;
    if (base?.children) this.subdirectories = base.subdirectories();
  }

  get isDirectory(): boolean {
    return this.changed !== null;
  }

  get isFile(): boolean {
    return (this.attributes.mode & S_IFMT) === S_IFREG;
  }

  /** A regular file whose blocks may come from the backup. */
  get isBased(): boolean {
    return this.base !== null && this.isFile;
  }

  /** The object is there: see rowFlag.object. Up to date while the inode has no row. */
  get hasObject(): boolean {
    return this.objectId !== null && (this.isBased || (this.flags & rowFlag.object) !== 0);
  }

  /** st_nlink: names of a file, 2 + subdirectories of a directory, 0 once no name is left. */
  get nlink(): number {
    if (!this.isDirectory) return this.links;
    return this.links === 0 ? 0 : 2 + this.subdirectories;
  }
}

/**
 * Whether the journal may be right although a file that was made on a mount has no object: an object is made with the
 * first change of data, and every compacted journal says the size.
 */
export function isNeverWritten(inode: Inode): boolean {
  return !inode.isBased && inode.attributes.size === 0;
}
