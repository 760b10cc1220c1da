// One name of the backup, and what a directory of it holds: nodes of directories and links, and files by number.

import type { FileNumbers } from './base-files.js';
import { HIDDEN_DIRECTORY, LINKS_PATH } from './hidden-directory.js';

export type BaseKind = 'dir' | 'raw' | 'datafile' | 'symlink';

/** One name of the backup. `inode` is filled by the namespace while something refers to the node. */
export class BaseNode<I> {
  readonly parent: BaseNode<I> | null;
  readonly name: string;
  readonly kind: BaseKind;
  readonly mode: number;
  readonly size: number;
  readonly ino: number;
  readonly children: Children<I> | null;
  /** link target, or for a directory that is served elsewhere than listed: its path in the content list */
  readonly alias: string | null;
  /** of a file: the nodes of files that have an inode, this one among them while it has one */
  readonly #held: Map<number, BaseNode<I>> | null;
  #inode: I | null = null;

  constructor(
    parent: BaseNode<I> | null,
    name: string,
    kind: BaseKind,
    mode: number,
    size: number,
    ino: number,
    { alias = null, children = null, held = null }: NodeExtras<I> = {},
  ) {
    this.parent = parent;
    this.name = name;
    this.kind = kind;
    this.mode = mode;
    this.size = size;
    this.ino = ino;
    this.alias = alias;
    this.children = children;
    this.#held = held;
  }

  get inode(): I | null {
    return this.#inode;
  }

  set inode(inode: I | null) {
    this.#inode = inode;
    if (inode === null) this.#held?.delete(this.ino);
    else this.#held?.set(this.ino, this);
  }

  /** Path in the content list (latin1), '' for the root; what identifies the node across mounts. */
  get sourcePath(): string {
    // `pg_tblspc/OID` is the tablespace's directory; the link that stands there in the mount needs a name of its own.
    if (this.kind === 'symlink') return `${LINKS_PATH}/${this.name}`;
    if (this.alias !== null) return this.alias;
    if (this.parent === null) return '';
    const prefix = this.parent.sourcePath;
    return prefix === '' ? this.name : `${prefix}/${this.name}`;
  }

  /** Number of directories that a listing shows directly below this one. */
  subdirectories(): number {
    return this.children!.subdirectories();
  }
}

interface NodeExtras<I> {
  alias?: string | null;
  children?: Children<I> | null;
  held?: Map<number, BaseNode<I>> | null;
}

/** What a directory of the backup holds: nodes of directories and links, and files by number. */
export class Children<I> {
  readonly #nodes = new Map<string, BaseNode<I>>();
  readonly #files: FileNumbers<I>;
  /** the directory whose children these are */
  owner: BaseNode<I> | null = null;
  /** numbers of the listed directories whose files are these: none or one, but for a list that names `.pbkfs` itself */
  readonly #directories: number[] = [];

  constructor(files: FileNumbers<I>) {
    this.#files = files;
  }

  set(name: string, node: BaseNode<I>): void {
    this.#nodes.set(name, node);
  }

  /** The directory or link of this name, if it is one. */
  node(name: string): BaseNode<I> | undefined {
    return this.#nodes.get(name);
  }

  addFilesOf(directory: number): void {
    this.#directories.push(directory);
  }

  get(name: string): BaseNode<I> | undefined {
    const node = this.#nodes.get(name);
    if (node !== undefined) return node;
    const file = this.#find(name);
    return file < 0 ? undefined : this.#files.node(this.owner!, file);
  }

  has(name: string): boolean {
    return this.#nodes.has(name) || this.#find(name) >= 0;
  }

  *[Symbol.iterator](): IterableIterator<[name: string, node: BaseNode<I>]> {
    yield* this.#nodes;
    for (const directory of this.#directories) {
      for (const file of this.#files.in(directory)) {
        const node = this.#files.node(this.owner!, file);
        // Twice only where two listed directories are one.
        const isFirst = this.#directories.length === 1 || this.#find(node.name) === file;
        if (isFirst && !this.#nodes.has(node.name)) yield [node.name, node];
      }
    }
  }

  subdirectories(): number {
    let count = 0;
    for (const { kind, alias } of this.#nodes.values()) if (kind === 'dir' && alias !== HIDDEN_DIRECTORY) count++;
    return count;
  }

  #find(name: string): number {
    for (const directory of this.#directories) {
      const file = this.#files.find(directory, name);
      if (file >= 0) return file;
    }
    return -1;
  }
}
