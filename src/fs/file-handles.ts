// Handles of files that the namespace thread gives out: of new files, and of those that the kernel reads and writes by
// itself. Only the latter have to be remembered.

import { constants } from 'node:fs';
import type { Inode } from '../overlay/namespace/inode.js';
import type { Overlay } from '../overlay/overlay.js';
import { hasSetId } from '../overlay/shared/attributes.js';
import { FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE, FOPEN_PASSTHROUGH } from './protocol/constants.js';
import type { Reply } from './protocol/reply.js';

/** The bits of open(2) flags that say how a file is accessed; 0: for reading only. */
const O_ACCMODE = 3;

export class FileHandles {
  readonly #overlay: Overlay;
  readonly #reply: Reply;
  readonly #warn: (message: string) => void;
  readonly #passthrough = new Map<number, Inode>();
  #next = 1;
  #hasWarned = false;

  constructor(overlay: Overlay, reply: Reply, warn: (message: string) => void) {
    this.#overlay = overlay;
    this.#reply = reply;
    this.#warn = warn;
  }

  /**
   * Puts fuse_open_out at `offset` of the reply's body; returns its length.
   * @param flags of open(2)
   */
  open(offset: number, inode: Inode, flags: number): number {
    const handle = this.#next++;
    let [how, backing] = [FOPEN_KEEP_CACHE as number, 0];
    if (this.#overlay.passthrough.takes(inode)) {
      // The kernel does not let a file be open both ways, with pages of its own and without: never with, then. While it has
      // a file, every handle must have it; with both bits its reads and writes come to the server all the same.
      how = this.#isForKernel(inode, flags) ? 0 : FOPEN_DIRECT_IO;
      backing = this.#register(inode, flags);
      how |= backing > 0 ? FOPEN_PASSTHROUGH : FOPEN_DIRECT_IO;
    }
    if (backing > 0) this.#passthrough.set(handle, inode);
    return this.#reply.openOut(offset, handle, how, backing);
  }

  close(handle: number): void {
    const inode = this.#passthrough.get(handle);
    if (inode === undefined) return;
    this.#passthrough.delete(handle);
    this.#overlay.passthrough.close(inode);
  }

  /**
   * Not for writes that must be durable when they return, because names would not be; nor for O_DIRECT, which the object's
   * file system may not have; nor where a write takes set-id bits away, which the kernel leaves to us.
   */
  #isForKernel(inode: Inode, flags: number): boolean {
    if ((flags & constants.O_DIRECT) !== 0) return false;
    if ((flags & O_ACCMODE) === 0) return true;
    return (flags & constants.O_DSYNC) === 0 && !hasSetId(this.#overlay.namespace.attributes(inode).mode);
  }

  /** The kernel's number for the file; 0: it does not take it. */
  #register(inode: Inode, flags: number): number {
    try {
      return this.#overlay.passthrough.open(inode, (flags & O_ACCMODE) !== 0);
    } catch (error) {
      if (!this.#hasWarned) {
        this.#hasWarned = true;
        this.#warn(`a file is served without passthrough, and others may be: ${(error as Error).message}`);
      }
      return 0;
    }
  }
}
