// `mount --no-wal`: files below pg_wal live as long as the mount. Their fsync is a note in the books, and the clean end
// takes them away; what is left cannot be started, so the next mount of such a diff is refused (src/mount/diff/binding.ts).

import { WAL_NAMES } from '../backup/constants.js';
import { BaseNode } from './namespace/base-node.js';
import type { Inode } from './namespace/inode.js';
import type { Namespace } from './namespace/namespace.js';
import { rowFlag } from './shared/row-layout.js';

export class TransientWal {
  readonly #namespace: Namespace;
  /** The directory of WAL; null: the backup has none, or a link in its place. */
  readonly #root: Inode | null;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
    const found = WAL_NAMES.map((name) => namespace.lookup(namespace.root, name)).find((inode) => inode?.isDirectory);
    this.#root = found ?? null;
    // For as long as the mount: it must stay the inode that other directories have as their parent.
    if (found) namespace.reference(found);
  }

  /** A name in `directory` leads to `inode` now: it is transient there and nowhere else. */
  placed(directory: Inode, inode: Inode): void {
    if (!inode.isFile || inode.virtual !== null) return;
    const { table } = this.#namespace.rows;
    const { row } = inode;
    if (this.#holds(directory)) {
      inode.flags |= rowFlag.transient;
      if (row !== 0) table.addFlag(row, rowFlag.transient);
    } else if (this.has(inode)) {
      inode.flags &= ~rowFlag.transient;
      // An fsync that was not one must not count.
      if (row === 0) inode.flags |= rowFlag.dirtyData;
      else {
        table.addFlag(row, rowFlag.dirtyData);
        table.takeFlag(row, rowFlag.transient);
      }
    }
  }

  /** Whether the inode's data goes with the mount. */
  has({ row, flags }: Inode): boolean {
    return row === 0 ? (flags & rowFlag.transient) !== 0 : this.#namespace.rows.table.hasFlag(row, rowFlag.transient);
  }

  /** At the end of the mount: files made on it lose their names, files of the backup their changes. */
  drop(known: Iterable<Inode>): void {
    for (const inode of [...known]) {
      if (!inode.isBased || !this.has(inode)) continue;
      inode.objectId = null;
      this.#namespace.rows.update(inode, { size: inode.base!.size });
    }
    if (this.#root !== null) this.#dropMade(this.#root);
  }

  #dropMade(directory: Inode): void {
    for (const [name, entry] of [...this.#namespace.list(directory)]) {
      if (entry instanceof BaseNode) continue;
      if (entry.isDirectory) this.#dropMade(entry);
      else if (entry.isFile && !entry.isBased) this.#namespace.unlink(directory, name);
    }
  }

  #holds(directory: Inode): boolean {
    for (let at: Inode | null = directory; at !== null && at !== this.#namespace.root; at = at.parent) {
      if (at === this.#root) return true;
    }
    return false;
  }
}
