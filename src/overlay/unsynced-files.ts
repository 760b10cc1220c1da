// The files of a mount with data that was not synced yet: handed to a data thread that syncs everything, and synced by
// the namespace thread itself at the clean end.

import type { HeldFiles } from './data/namespace-calls.js';
import type { Recovery } from './diff-recovery.js';
import type { Inode } from './namespace/inode.js';
import type { Namespace } from './namespace/namespace.js';
import { rowFlag, word } from './shared/row-layout.js';

/** Files that one call of hold hands out. */
const HELD_AT_ONCE = 256;

export class UnsyncedFiles {
  readonly #namespace: Namespace;
  readonly #isTransient: (inode: Inode) => boolean;

  /** @param isTransient whether a file's data goes with the mount: it is never synced */
  constructor(namespace: Namespace, isTransient: (inode: Inode) => boolean) {
    this.#namespace = namespace;
    this.#isTransient = isTransient;
  }

  /** See Overlay.holdUnsynced. */
  hold(after: number): HeldFiles {
    const files = this.#namespace
      .withObjects()
      .filter((inode) => inode.journalId > after && this.#isUnsynced(inode))
      .sort((a, b) => a.journalId - b.journalId)
      .slice(0, HELD_AT_ONCE);
    const held: Inode[] = [];
    for (const inode of files) {
      // Where the kernel holds all inodes there can be, those come that it knows. @throws for the first that it does not
      if (held.length > 0 && inode.row === 0 && this.#namespace.rows.isFull) break;
      this.#namespace.reference(inode);
      held.push(inode);
    }
    return {
      after: held.at(-1)?.journalId ?? after,
      newest: this.#namespace.tree.newestId,
      rows: held.map(({ row, generation }) => [row, generation] as const),
    };
  }

  /** Syncs every file, when no data thread runs any more. Returns the first failure; the others were synced all the same. */
  syncAll(recovery: Recovery): unknown {
    let failure: unknown;
    for (const inode of this.#namespace.withObjects()) {
      if (this.#isTransient(inode)) continue;
      try {
        recovery.sync(inode);
      } catch (error) {
        // One file's bad luck must not cost the others their sync.
        failure ??= error;
      }
    }
    return failure;
  }

  #isUnsynced(inode: Inode): boolean {
    if (this.#isTransient(inode)) return false;
    if (inode.row === 0) return (inode.flags & rowFlag.dirtyData) !== 0;
    const { table } = this.#namespace.rows;
    // A sync under way takes the flag away first, and puts it back, before it lets go of the lock, if it fails.
    return (
      table.hasFlag(inode.row, rowFlag.dirtyData) ||
      table.get(inode.row, word.syncLock) !== 0 ||
      table.hasFlag(inode.row, rowFlag.dirtyData)
    );
  }
}
