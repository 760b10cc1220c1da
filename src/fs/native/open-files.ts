// What programs hold open, by the numbers libfuse keeps for us, and which inodes keep their row of the file table.

import { SystemError } from '../../errors.js';
import type { Inode } from '../../overlay/namespace/inode.js';
import type { Overlay } from '../../overlay/overlay.js';

/** Handle numbers are signed 32-bit on their way through fuse-native, and 0 means none. */
const MAX_HANDLE = 2 ** 31 - 1;
/** Closed files whose block index and descriptors stay for the next who opens them. */
const KEPT = 4096;

export class OpenFiles {
  readonly #overlay: Overlay;
  readonly #files = new Map<number, Inode>();
  readonly #opened = new Map<Inode, number>();
  /** least recently used first */
  readonly #kept = new Set<Inode>();
  #next = 1;

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  /** A number for a newly opened file. */
  open(inode: Inode): number {
    while (this.#files.has(this.#next)) this.#next = (this.#next % MAX_HANDLE) + 1;
    const handle = this.#next;
    this.#next = (handle % MAX_HANDLE) + 1;
    this.hold(inode);
    this.#files.set(handle, inode);
    this.#opened.set(inode, this.openCount(inode) + 1);
    return handle;
  }

  /** Throws EBADF. */
  get(handle: number): Inode {
    const inode = this.#files.get(handle);
    if (inode === undefined) throw new SystemError('EBADF');
    return inode;
  }

  close(handle: number): void {
    const inode = this.get(handle);
    this.#files.delete(handle);
    const left = this.openCount(inode) - 1;
    if (left > 0) this.#opened.set(inode, left);
    else this.#opened.delete(inode);
    this.letGo(inode);
  }

  /** How many handles lead to the inode. */
  openCount(inode: Inode): number {
    return this.#opened.get(inode) ?? 0;
  }

  /** Gives the inode a row, until letGo. */
  hold(inode: Inode): void {
    this.#overlay.namespace.reference(inode);
  }

  letGo(inode: Inode): void {
    if (inode.links === 0 || inode.virtual !== null || this.#kept.delete(inode)) this.#forget(inode);
    if (inode.links === 0 || inode.virtual !== null) return;
    this.#kept.add(inode);
    if (this.#kept.size <= KEPT) return;
    const [oldest] = this.#kept;
    this.#kept.delete(oldest!);
    this.#forget(oldest!);
  }

  /** A name of the inode has gone: without any it goes as soon as nobody has it open. */
  nameGone(inode: Inode): void {
    if (inode.links === 0 && this.#kept.delete(inode)) this.#forget(inode);
  }

  #forget(inode: Inode): void {
    this.#overlay.forget(inode.row, inode.generation, 1);
  }
}
