// libfuse's way to keep removed files usable: it never removes a file that somebody has open but renames it to
// `.fuse_hidden…` and removes that once the file is closed. Names like these must not appear in PGDATA, and the removal
// must be one in the journal. So such a name is never made: it becomes an entry here, and the file loses its name.
//
// Why it was renamed is not known at first: unlink(2) is answered after it, rename(2) onto the file goes on, by the same
// thread of libfuse, with the rename proper. Until that is clear nobody else is served (see NativeSession), so that
// nobody sees the moment in which a rename has taken away one file and not yet put the other in its place, not even a
// killed mount.

import { SystemError } from '../../errors.js';
import type { Inode } from '../../overlay/namespace/inode.js';
import type { Namespace } from '../../overlay/namespace/namespace.js';
import type { OpenFiles } from './open-files.js';

const PATTERN = /^\.fuse_hidden[0-9a-f]{16}$/;

/** Whether libfuse may make this name; programs must not. */
export function isSillyName(name: string): boolean {
  return PATTERN.test(name);
}

interface Entry {
  readonly inode: Inode;
  /** where libfuse believes the name to be */
  readonly directory: Inode;
}

interface Undecided {
  /** the libfuse thread, by its record */
  readonly locals: Buffer;
  readonly path: string;
  readonly directory: Inode;
  readonly name: string;
  readonly inode: Inode;
}

export class SillyRenames {
  readonly #namespace: Namespace;
  readonly #files: OpenFiles;
  readonly #entries = new Map<string, Entry>();
  #undecided: Undecided | null = null;

  constructor(namespace: Namespace, files: OpenFiles) {
    this.#namespace = namespace;
    this.#files = files;
  }

  /** Set while it is not known whether a file was removed or is being replaced. */
  get undecided(): { readonly locals: Buffer; readonly path: string } | null {
    return this.#undecided;
  }

  find(name: string): Inode | undefined {
    return this.#entries.get(name)?.inode;
  }

  /** How many silly names lead to the inode: to libfuse and the kernel each is a file of its own. */
  countOf(inode: Inode): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.inode === inode) count++;
    return count;
  }

  /** libfuse refuses to find files below a directory that has gone, and so do we: as on NFS it is not empty. */
  mustBeEmpty(directory: Inode): void {
    for (const entry of this.#entries.values()) {
      if (entry.directory === directory) throw new SystemError('ENOTEMPTY');
    }
  }

  /** libfuse renames the open file `name` (at `path`) to the silly name `to`. */
  begin(locals: Buffer, path: string, directory: Inode, name: string, to: string): void {
    const inode = this.#namespace.lookup(directory, name);
    if (inode === null) throw new SystemError('ENOENT');
    // A program that renames something to a name of libfuse's own.
    if (this.#entries.has(to) || this.#files.openCount(inode) === 0) throw new SystemError('EPERM');
    this.#files.hold(inode);
    this.#entries.set(to, { inode, directory });
    this.#undecided = { locals, path, directory, name, inode };
  }

  /** The rename proper follows: it replaces the file as if it had kept its name. */
  replaced(): void {
    this.#undecided = null;
  }

  /** It was a removal: carries it out. */
  removed(): void {
    const undecided = this.#undecided;
    this.#undecided = null;
    if (undecided === null) return;
    this.#namespace.unlink(undecided.directory, undecided.name);
    this.#files.nameGone(undecided.inode);
  }

  /** libfuse removes the silly name: nobody has the file open any more. */
  end(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined) return false;
    this.#entries.delete(name);
    this.#files.letGo(entry.inode);
    return true;
  }
}
