// How much was written to a file since its data was last on its way to the disk. The kernel locks an inode while a FUSE
// server answers its FSYNC: every write and every lseek(SEEK_END) of the file waits that long. So the disk is told to
// begin while a file is still being written, and an fsync finds little left to do. PostgreSQL asks for the same with
// sync_file_range(2) (checkpoint_flush_after, bgwriter_flush_after), which the kernel never passes on to us.

import type { FileTable } from '../shared/file-table.js';
import { rowFlag, word } from '../shared/row-layout.js';

/** Bytes of a file after which its writeback is started. PostgreSQL's own settings are 256 and 512 KiB. */
export const WRITEBACK_AFTER = 4 * 2 ** 20;

/** Data nobody will sync: it mostly goes before the kernel would write it. */
const NEVER = rowFlag.transient | rowFlag.temporary;

export class Unflushed {
  readonly #table: FileTable;
  readonly #start: (objectId: string) => void;

  /** @param start begins to write an object's data back and does not wait for it */
  constructor(table: FileTable, start: (objectId: string) => void) {
    this.#table = table;
    this.#start = start;
  }

  /** Bytes were written to the file. */
  wrote(row: number, bytes: number): void {
    const table = this.#table;
    const at = table.wordBase(row) + word.unflushed;
    if (Atomics.add(table.words, at, bytes) + bytes < WRITEBACK_AFTER) return;
    Atomics.store(table.words, at, 0);
    if (!table.hasFlag(row, NEVER)) this.#start(table.objectId(row));
  }

  /** The file is being synced. */
  synced(row: number): void {
    this.#table.set(row, word.unflushed, 0);
  }
}
