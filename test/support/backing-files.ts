// The kernel's list of passthrough files, as DirectOverlay has one in its place.

import { fstatSync } from 'node:fs';
import { SystemError } from '../../src/errors.js';
import type { BackingFiles } from '../../src/overlay/namespace/passthrough-files.js';

export class FakeBacking implements BackingFiles {
  /** registered now: number → inode number of the object */
  readonly registered = new Map<number, number>();
  /** objects that are open for writing */
  readonly written = new Set<string>();
  /** the error that registering fails with */
  refusal: ConstructorParameters<typeof SystemError>[0] | null = null;
  #next = 1;

  register(fd: number): number {
    if (this.refusal !== null) throw new SystemError(this.refusal);
    this.registered.set(this.#next, fstatSync(fd).ino);
    return this.#next++;
  }

  release(id: number): void {
    if (!this.registered.delete(id)) throw new Error(`${id} is not registered`);
  }

  writes(path: string, open: boolean): void {
    const isNews = open ? !this.written.has(path) : this.written.delete(path);
    if (!isNews) throw new Error(`${path} was ${open ? 'open' : 'closed'} already`);
    if (open) this.written.add(path);
  }
}
