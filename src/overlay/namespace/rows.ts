// Which inode has which row of the file table: rows are handed out when the kernel gets to know an inode and
// recycled when it forgets it. Used by the namespace thread only.

import { PbkfsError } from '../../errors.js';
import { pendingMutations } from '../../pending/barrier.js';
import { type Attributes, emptyAttributes } from '../shared/attributes.js';
import type { FileTable } from '../shared/file-table.js';
import { double, rowFlag, rowKind, word } from '../shared/row-layout.js';
import type { Inode } from './inode.js';
import type { PassthroughFiles } from './passthrough-files.js';

/** The row of the root directory; the kernel knows its nodeid as 1. */
const ROOT_ROW = 1;

export class Rows {
  readonly table: FileTable;
  readonly #inodes: (Inode | undefined)[] = [];
  readonly #free: number[] = [];
  #next = ROOT_ROW;
  #live = 0;
  readonly #scratch = emptyAttributes();
  readonly #passthrough: PassthroughFiles;

  constructor(table: FileTable, passthrough: PassthroughFiles) {
    this.table = table;
    this.#passthrough = passthrough;
  }

  /** Rows in use. */
  get live(): number {
    return this.#live;
  }

  /** The inode behind a nodeid, or undefined if the nodeid is stale. */
  find(row: number, generation: number): Inode | undefined {
    const inode = this.#inodes[row];
    return inode !== undefined && inode.generation === generation ? inode : undefined;
  }

  /** Every inode that has a row. */
  *inodes(): IterableIterator<Inode> {
    for (const inode of this.#inodes) if (inode !== undefined) yield inode;
  }

  /** No further inode can have a row before the kernel forgets one. */
  get isFull(): boolean {
    return this.#free.length === 0 && this.#next >= this.table.rows;
  }

  /** Before something is made that needs a row. */
  mustHaveRoom(): void {
    if (!this.isFull) return;
    throw new PbkfsError('internal', `the kernel holds all ${this.table.rows} inodes that this mount has`, {
      hint: 'echo 2 > /proc/sys/vm/drop_caches makes it forget those that nobody has open',
    });
  }

  /** Gives the inode a row, filled from its attributes, unless it has one. */
  attach(inode: Inode): void {
    if (inode.row !== 0) return;
    this.mustHaveRoom();
    const row = this.#free.pop() ?? this.#next++;
    inode.row = row;
    // The root is generation 0 so that its nodeid is 1; every other life of a row has a generation of its own.
    inode.generation = row === ROOT_ROW ? 0 : (this.table.get(row, word.generation) + 1) | 0;
    this.#inodes[row] = inode;
    this.#live++;
    inode.attributes.nlink = inode.nlink;
    this.table.writeAttributes(row, inode.attributes);
    this.table.setDouble(row, double.diffState, inode.diffState);
    this.table.setDouble(row, double.indexOffset, 0);
    this.table.setDouble(row, double.objectMtime, 0);
    this.table.set(row, word.indexState, 0);
    this.table.set(row, word.baseChecks, 0);
    this.table.set(row, word.unflushed, 0);
    this.table.set(row, word.flags, inode.flags);
    this.setObject(inode);
    this.table.set(row, word.generation, inode.generation);
    this.table.set(row, word.kind, kindOf(inode, this.#passthrough.active));
    this.#passthrough.attached(inode);
  }

  /** Makes the row say what the kernel has changed by itself. */
  refresh(inode: Inode): void {
    this.#passthrough.refresh(inode);
  }

  /** Takes the row back. The caller has freed what hung on it. */
  detach(inode: Inode): void {
    const { row } = inode;
    if (pendingMutations(this.table.words, this.table.barrier(row)) !== 0) {
      throw new PbkfsError('internal', `inode ${inode.attributes.ino} was forgotten with mutations under way`);
    }
    try {
      this.refresh(inode);
    } catch {
      // Somebody has taken the object away: nobody knows more than the row does. Whoever reads the file hears of it.
    }
    this.table.readAttributes(row, inode.attributes);
    inode.flags = this.table.get(row, word.flags);
    this.table.set(row, word.kind, rowKind.free);
    this.#inodes[row] = undefined;
    this.#free.push(row);
    this.#live--;
    inode.row = 0;
  }

  /** Current attributes: from the row if there is one. The result is reused by the next call. */
  attributes(inode: Inode): Readonly<Attributes> {
    if (inode.row === 0) return inode.attributes;
    this.refresh(inode);
    this.table.readAttributes(inode.row, this.#scratch);
    return this.#scratch;
  }

  /** Changes some attributes. */
  update(inode: Inode, change: Partial<Attributes>): void {
    if (inode.row === 0) {
      Object.assign(inode.attributes, change);
      return;
    }
    // Size and times may be written by a data thread meanwhile: change only the named fields, under the row's lock.
    this.table.modifyAttributes(inode.row, change);
  }

  /** Tells the row which object the inode has now. */
  setObject(inode: Inode): void {
    if (inode.objectId === null || inode.row === 0) return;
    this.table.setDouble(inode.row, double.diffState, inode.diffState);
    this.table.setObjectId(inode.row, inode.objectId);
    // A file made on the mount has a flag of its own that says whether the object exists: a data thread makes it.
    if (inode.isBased) this.table.addFlag(inode.row, rowFlag.object);
  }
}

function kindOf(inode: Inode, passthrough: boolean): number {
  if (!inode.isFile || inode.virtual !== null) return rowKind.other;
  if (inode.isBased) return rowKind.based;
  return passthrough ? rowKind.passthrough : rowKind.plain;
}
