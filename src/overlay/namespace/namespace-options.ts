// What a namespace is made of, and who asks it for something.

import type { FileTable } from '../shared/file-table.js';
import type { BaseTree } from './base-tree.js';
import type { Inode } from './inode.js';
import type { ObjectKeeper } from './object-keeper.js';
import type { PassthroughFiles } from './passthrough-files.js';
import type { NoObjects } from './read-only.js';
import type { BaseDefaults } from './tree.js';

/** Who asks. */
export interface Caller {
  uid: number;
  gid: number;
}

/** Where records go. */
export interface RecordSink {
  /**
   * @param frees it is about a removal, which must be possible on a full disk, too
   * @returns the record's sequence number
   */
  append(payload: Uint8Array, frees: boolean): number;
}

export interface NamespaceOptions {
  base: BaseTree<Inode>;
  defaults: BaseDefaults;
  table: FileTable;
  journal: RecordSink;
  objects: ObjectKeeper | NoObjects;
  /** files that the kernel reads and writes by itself */
  passthrough: PassthroughFiles;
  /** frees what data threads hung on a row, before the row is recycled */
  releaseRow(inode: Inode): void;
  /** blocks that an inode's object takes of the diff */
  heldBlocks(inode: Inode): number;
  /** frees the block map state of a file that loses its object */
  releaseDiffState(inode: Inode, diffState: number): void;
  /** a name in `directory` leads to the inode now */
  linked?(directory: Inode, name: string, inode: Inode): void;
  /** absolute path of the mount point, latin1 */
  mountpoint: string;
  warn(message: string): void;
}
