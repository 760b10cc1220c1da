// How long an inode lives: as long as a name leads to it or the kernel refers to it. Its object goes with it.

import type { Inode } from './inode.js';
import type { NamespaceOptions } from './namespace-options.js';
import type { Rows } from './rows.js';
import type { Tree } from './tree.js';

type Owners = Pick<NamespaceOptions, 'objects' | 'heldBlocks' | 'releaseRow' | 'releaseDiffState'>;

export class Lifetimes {
  readonly #tree: Tree;
  readonly #rows: Rows;
  readonly #owners: Owners;
  readonly #nameless = new Set<Inode>();
  #lastSequence = 0;

  /** @param owners of what hangs on an inode: its object, its row's memory, its block map */
  constructor(tree: Tree, rows: Rows, owners: Owners) {
    this.#tree = tree;
    this.#rows = rows;
    this.#owners = owners;
  }

  /** The kernel gets one more reference: the inode has a row from now on. */
  reference(inode: Inode): void {
    this.#rows.attach(inode);
    inode.lookups++;
  }

  /** The kernel gives references back. */
  forget(inode: Inode, count: number): void {
    inode.lookups = Math.max(0, inode.lookups - count);
    if (inode.lookups > 0 || inode === this.#tree.root) return;
    this.#owners.releaseRow(inode);
    this.#rows.detach(inode);
    if (inode.links === 0) this.#letGo(inode);
    else this.#tree.forget(inode);
  }

  /** A name of the inode has gone, and it may have been the last one. */
  lostName(inode: Inode): void {
    this.#nameless.add(inode);
  }

  /**
   * After a whole record was applied: a rename or exchange takes a name away only to give another.
   * @param sequence the journal's number of the record
   */
  settle(sequence: number): void {
    this.#lastSequence = sequence;
    for (const inode of this.#nameless) if (inode.links === 0 && inode.lookups === 0) this.#letGo(inode);
    this.#nameless.clear();
  }

  /** An inode without names and without references: its object goes once the journal that says so is durable. */
  #letGo(inode: Inode): void {
    const owners = this.#owners;
    if (inode.hasObject) {
      owners.objects.removeAfter(inode.objectId!, this.#lastSequence, owners.heldBlocks(inode));
    }
    if (inode.diffState !== 0) owners.releaseDiffState(inode, inode.diffState);
    inode.objectId = null;
    inode.diffState = 0;
    this.#tree.forget(inode);
  }
}
