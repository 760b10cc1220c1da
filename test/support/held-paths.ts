// What paths lead to on an overlay, with the references that the kernel would hold meanwhile.

import { SystemError } from '../../src/errors.js';
import type { Inode } from '../../src/overlay/namespace/inode.js';
import type { Overlay } from '../../src/overlay/overlay.js';

/** Paths are byte strings (latin1), relative to the mount's root, '' for the root itself. */
export class HeldPaths {
  /** true: inodes stay referenced until drop, as the kernel keeps them; false: forgotten after every call */
  keep = false;
  readonly #overlay: Overlay;
  /** references taken, in order: parents before children */
  readonly #held: Inode[] = [];

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  /** Forgets every inode, children before parents. */
  drop(): void {
    while (this.#held.length > 0) this.forget(this.#held.pop()!);
  }

  using<T>(act: () => T): T {
    try {
      return act();
    } finally {
      if (!this.keep) this.drop();
    }
  }

  hold(inode: Inode): Inode {
    this.#overlay.namespace.reference(inode);
    this.#held.push(inode);
    return inode;
  }

  forget(inode: Inode): void {
    this.#overlay.forget(inode.row, inode.generation, 1);
  }

  /** Whoever serves an overlay makes the content of its virtual files. */
  #lookup(directory: Inode, name: string): Inode | null {
    const virtual = this.#overlay.hidden.virtualName(directory, name);
    return virtual === null
      ? this.#overlay.lookup(directory, name)
      : this.#overlay.hidden.virtualFile(virtual, Buffer.from(`made for ${virtual}\n`));
  }

  parent(path: string): [Inode, string] {
    const slash = path.lastIndexOf('/');
    const directory = this.resolve(slash < 0 ? '' : path.slice(0, slash), true);
    if (!directory.isDirectory) throw new SystemError('ENOTDIR');
    return [directory, path.slice(slash + 1)];
  }

  /** Like the kernel, looks the name itself up before it asks for a change to it. */
  parentOfKnown(path: string): [Inode, string] {
    const [directory, name] = this.parent(path);
    const inode = this.#lookup(directory, name);
    if (inode !== null) this.hold(inode);
    return [directory, name];
  }

  resolve(path: string, follow: boolean, depth = 0): Inode {
    if (depth > 8) throw new SystemError('ELOOP');
    const { root } = this.#overlay.namespace;
    const steps = path.split('/').filter((step) => step !== '' && step !== '.');
    const walked: Inode[] = [root];
    for (const [at, step] of steps.entries()) {
      if (step === '..') {
        if (walked.length > 1) walked.pop();
        continue;
      }
      const inode = this.#lookup(walked.at(-1)!, step);
      if (inode === null) throw new SystemError('ENOENT');
      this.hold(inode);
      if (inode.target !== null && (follow || at < steps.length - 1)) {
        const before = steps.slice(0, at).join('/');
        const after = steps.slice(at + 1).join('/');
        return this.resolve(`${before}/${inode.target}/${after}`, follow, depth + 1);
      }
      walked.push(inode);
    }
    return walked.at(-1)!;
  }
}
