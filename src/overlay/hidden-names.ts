// Names that are not in the tree: the hidden directory itself, and below it the virtual files, the inode files and the
// catalog's WAL.

import { SystemError } from '../errors.js';
import type { BlockState } from './diff/block-state.js';
import { HIDDEN_DIRECTORY } from './namespace/hidden-directory.js';
import type { Inode } from './namespace/inode.js';
import { describeInode, inodeFile, inodeNumber } from './namespace/inode-file.js';
import type { Namespace } from './namespace/namespace.js';
import { ServedWal, type WalLocation } from './namespace/served-wal.js';
import { isVirtualName, type VirtualName, virtualFile } from './namespace/virtual-file.js';

export interface HiddenNamesOptions {
  readonly namespace: Namespace;
  /** the WAL archive that the mount serves */
  readonly wal: WalLocation | undefined;
  /** owner of the virtual files */
  readonly uid: number;
  readonly gid: number;
  /** the block map of a file that has an object, loaded */
  blockState(inode: Inode): BlockState;
}

export class HiddenNames {
  readonly #options: HiddenNamesOptions;
  readonly #namespace: Namespace;
  readonly #wal: ServedWal | null;
  /** the directory of WAL while the kernel knows it */
  #walInode: Inode | null = null;

  constructor(options: HiddenNamesOptions) {
    this.#options = options;
    this.#namespace = options.namespace;
    this.#wal = options.wal === undefined ? null : new ServedWal(options.wal);
  }

  /** The hidden directory. */
  get directory(): Inode {
    return this.#namespace.lookup(this.#namespace.root, HIDDEN_DIRECTORY)!;
  }

  /** The virtual file that a name leads to, if it does: whoever serves this overlay makes its content. */
  virtualName(directory: Inode, name: string): VirtualName | null {
    return directory.base?.alias === HIDDEN_DIRECTORY && isVirtualName(name) ? name : null;
  }

  /** A virtual file with the content that it has now; one reader sees one state throughout. */
  virtualFile(name: VirtualName, content: Uint8Array): Inode {
    return virtualFile(name, content, this.#options.uid, this.#options.gid);
  }

  /** What a name leads to, null if to nothing; undefined: the tree knows. Not for the names of virtual files. */
  lookup(directory: Inode, name: string): Inode | null | undefined {
    if (directory.virtual !== null) return this.#wal?.lookup(name) ?? null;
    if (directory === this.#namespace.root) return name === HIDDEN_DIRECTORY ? this.directory : undefined;
    if (directory.base?.alias !== HIDDEN_DIRECTORY) return undefined;
    const ino = inodeNumber(name);
    if (ino !== undefined) return this.#inodeFile(ino);
    return name === 'wal' && this.#wal !== null ? this.#walDirectory(this.#wal, directory) : undefined;
  }

  /** Names of a directory that is not in the tree; undefined for the others. */
  list(directory: Inode): Iterable<[name: string, entry: Inode]> | undefined {
    return directory.virtual === null ? undefined : (this.#wal?.list() ?? []);
  }

  /** One inode as long as the kernel refers to it: a directory with two of them would be two directories. */
  #walDirectory(wal: ServedWal, parent: Inode): Inode {
    if (this.#walInode === null || this.#walInode.row === 0) this.#walInode = wal.inode(parent);
    return this.#walInode;
  }

  /** Throws ENOENT, which the kernel does not remember, for an inode that it does not hold. */
  #inodeFile(ino: number): Inode {
    const inode = [...this.#namespace.rows.inodes()].find((known) => known.attributes.ino === ino);
    if (inode === undefined || !inode.isFile || inode.virtual !== null) throw new SystemError('ENOENT');
    const state = inode.isBased && inode.objectId !== null ? this.#options.blockState(inode) : null;
    const { uid, gid } = this.#options;
    return inodeFile(ino, describeInode(inode, this.#namespace.attributes(inode).size, state), uid, gid);
  }
}
