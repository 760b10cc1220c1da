// The names a backup gives: the target's content list as a tree, with tablespaces moved where links can reach them.

import type { TreeEntry } from '../../backup/index.js';

/** Directory of the mount root that listings hide; it holds what PostgreSQL must reach but must not find. */
export const HIDDEN_DIRECTORY = '.pbkfs';
const TABLESPACES = 'tablespaces';
/** Below it a directory for each tablespace, named by its OID. */
export const TABLESPACES_PATH = `${HIDDEN_DIRECTORY}/${TABLESPACES}`;
/** Where the journal says the links of tablespaces are; nothing is served there. */
const LINKS = `${HIDDEN_DIRECTORY}/links`;
const FIRST_INO = 2;

export type BaseKind = 'dir' | 'raw' | 'datafile' | 'symlink';

/** One name of the backup. `inode` is filled by the namespace while something refers to the node. */
export class BaseNode<I> {
  readonly parent: BaseNode<I> | null;
  readonly name: string;
  readonly kind: BaseKind;
  readonly mode: number;
  readonly size: number;
  readonly ino: number;
  readonly children: Map<string, BaseNode<I>> | null;
  /** link target, or for a directory that is served elsewhere than listed: its path in the content list */
  readonly alias: string | null;
  inode: I | null = null;

  constructor(
    parent: BaseNode<I> | null,
    name: string,
    kind: BaseKind,
    mode: number,
    size: number,
    ino: number,
    alias: string | null = null,
  ) {
    this.parent = parent;
    this.name = name;
    this.kind = kind;
    this.mode = mode;
    this.size = size;
    this.ino = ino;
    this.alias = alias;
    this.children = kind === 'dir' ? new Map() : null;
  }

  /** Path in the content list (latin1), '' for the root; what identifies the node across mounts. */
  get sourcePath(): string {
    // `pg_tblspc/OID` is the tablespace's directory; the link that stands there in the mount needs a name of its own.
    if (this.kind === 'symlink') return `${LINKS}/${this.name}`;
    if (this.alias !== null) return this.alias;
    if (this.parent === null) return '';
    const prefix = this.parent.sourcePath;
    return prefix === '' ? this.name : `${prefix}/${this.name}`;
  }

  /** Number of directories that a listing shows directly below this one. */
  subdirectories(): number {
    let count = 0;
    for (const child of this.children!.values()) {
      if (child.kind === 'dir' && child.alias !== HIDDEN_DIRECTORY) count++;
    }
    return count;
  }
}

/**
 * The tree of a backup. PGDATA's own mode is not in a backup: 0700, as restore makes it (format page 9.8).
 * Every `pg_tblspc/OID` that is in the tablespace map becomes a relative symlink into the hidden directory.
 */
export class BaseTree<I> {
  readonly root: BaseNode<I>;
  readonly #tablespaces: ReadonlyMap<string, string>;
  #nextIno = FIRST_INO;

  constructor(entries: Iterable<TreeEntry>, tablespaces: ReadonlyMap<string, string>) {
    this.#tablespaces = tablespaces;
    this.root = new BaseNode<I>(null, '', 'dir', DIRECTORY_MODE, 0, 1);
    const directories: TreeEntry[] = [];
    const files: TreeEntry[] = [];
    for (const entry of entries) (entry.kind === 'dir' ? directories : files).push(entry);
    // Parents before children, whatever the order of the list.
    directories.sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const entry of directories) this.#place(entry);
    for (const entry of files) this.#place(entry);
    this.#hiddenDirectory();
    for (const oid of tablespaces.keys()) this.#tablespaceDirectory(oid);
  }

  /** The node that the content list calls `path`, or null. */
  find(path: string): BaseNode<I> | null {
    let node = this.root;
    const steps = path === '' ? [] : path.split('/');
    if (path.startsWith(`${LINKS}/`)) steps.splice(0, 2, 'pg_tblspc');
    else if (steps[0] === 'pg_tblspc' && steps.length >= 2 && this.#tablespaces.has(steps[1]!)) {
      steps.splice(0, 1, HIDDEN_DIRECTORY, TABLESPACES);
    }
    for (const step of steps) {
      const next = node.children?.get(step);
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  #place(entry: TreeEntry): void {
    const slash = entry.path.lastIndexOf('/');
    const name = entry.path.slice(slash + 1);
    const parentPath = slash < 0 ? '' : entry.path.slice(0, slash);
    if (parentPath === 'pg_tblspc' && this.#tablespaces.has(name)) return;
    const parent = this.#directory(parentPath);
    parent.children!.set(name, new BaseNode<I>(parent, name, entry.kind, entry.mode, entry.size, this.#nextIno++));
  }

  /** The directory node for a path; made up with mode 0700 where the list has no line for it. */
  #directory(path: string): BaseNode<I> {
    if (path === '') return this.root;
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const parentPath = slash < 0 ? '' : path.slice(0, slash);
    if (parentPath === 'pg_tblspc' && this.#tablespaces.has(name)) return this.#tablespaceDirectory(name);
    const parent = this.#directory(parentPath);
    return this.#childDirectory(parent, name, DIRECTORY_MODE, null);
  }

  #tablespaceDirectory(oid: string): BaseNode<I> {
    const links = this.#directory('pg_tblspc');
    if (!links.children!.has(oid)) {
      const target = `../${HIDDEN_DIRECTORY}/${TABLESPACES}/${oid}`;
      const link = new BaseNode<I>(links, oid, 'symlink', SYMLINK_MODE, target.length, this.#nextIno++, target);
      links.children!.set(oid, link);
    }
    return this.#childDirectory(this.#hiddenDirectory(), oid, links.mode, `pg_tblspc/${oid}`);
  }

  /** That of the tablespaces, with the one that holds it. */
  #hiddenDirectory(): BaseNode<I> {
    const hidden = this.#childDirectory(this.root, HIDDEN_DIRECTORY, DIRECTORY_MODE, HIDDEN_DIRECTORY);
    return this.#childDirectory(hidden, TABLESPACES, DIRECTORY_MODE, TABLESPACES_PATH);
  }

  #childDirectory(parent: BaseNode<I>, name: string, mode: number, alias: string | null): BaseNode<I> {
    let node = parent.children!.get(name);
    if (node === undefined || node.kind !== 'dir') {
      node = new BaseNode<I>(parent, name, 'dir', mode, 0, this.#nextIno++, alias);
      parent.children!.set(name, node);
    }
    return node;
  }
}

const DIRECTORY_MODE = 0o40700;
const SYMLINK_MODE = 0o120777;
