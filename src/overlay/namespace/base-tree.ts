// The names a backup gives: the target's content list as a tree, with tablespaces moved where links can reach them.
//
// Directories are objects, files are numbers: a backup has a million of these, of which few are ever asked for. A node
// for a file is made when somebody asks, and kept while it has an inode.

import { displayPath, type PathTable, type TreeEntry } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';

/** Directory of the mount root that listings hide; it holds what PostgreSQL must reach but must not find. */
export const HIDDEN_DIRECTORY = '.pbkfs';
const TABLESPACES = 'tablespaces';
/** Below it a directory for each tablespace, named by its OID. */
export const TABLESPACES_PATH = `${HIDDEN_DIRECTORY}/${TABLESPACES}`;
/** Where the journal says the links of tablespaces are; nothing is served there. */
const LINKS = `${HIDDEN_DIRECTORY}/links`;
const FIRST_INO = 2;

export type BaseKind = 'dir' | 'raw' | 'datafile' | 'symlink';

/** The files and directories of a backup, by number; a ChainReader is one. */
export interface BaseFiles {
  readonly paths: PathTable;
  /** There is no need to ask for every size to know that each can be asked for. */
  readonly isChecked: boolean;
  /** undefined: the backup does not show it */
  kind(file: number): TreeEntry['kind'] | undefined;
  mode(file: number): number;
  /** May throw what is wrong with the backup. */
  size(file: number): number;
}

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
    if (this.kind === 'symlink') return `${LINKS}/${this.name}`;
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

/** The files of a backup by directory. */
class FileNumbers<I> {
  readonly #files: BaseFiles;
  /** nodes that have an inode, by inode number */
  readonly #held = new Map<number, BaseNode<I>>();
  /** all files, those of one directory side by side; where each directory's begin */
  readonly #order: Uint32Array;
  readonly #starts: Uint32Array;
  #firstIno = 0;

  /** @throws what is wrong with a file */
  constructor(files: BaseFiles) {
    this.#files = files;
    const { paths } = files;
    const { count } = paths;
    const starts = new Uint32Array(paths.directoryCount + 1);
    for (let file = 0; file < count; file++) if (this.#isFile(file)) starts[paths.directory(file) + 1]!++;
    for (let directory = 1; directory < starts.length; directory++) starts[directory]! += starts[directory - 1]!;
    this.#starts = starts;
    this.#order = new Uint32Array(starts.at(-1)!);
    const next = starts.slice();
    for (let file = 0; file < count; file++) {
      if (!this.#isFile(file)) continue;
      this.#order[next[paths.directory(file)]!++] = file;
      if (!files.isChecked) files.size(file);
    }
  }

  /** Inode numbers of files follow those of directories. */
  start(firstIno: number): void {
    this.#firstIno = firstIno;
  }

  in(directory: number): Uint32Array {
    return this.#order.subarray(this.#starts[directory], this.#starts[directory + 1]);
  }

  /** The number of a file in a directory, or -1. */
  find(directory: number, name: string): number {
    const file = this.#files.paths.numberIn(directory, name);
    return file >= 0 && this.#isFile(file) ? file : -1;
  }

  node(parent: BaseNode<I>, file: number): BaseNode<I> {
    const ino = this.#firstIno + file;
    const known = this.#held.get(ino);
    if (known !== undefined) return known;
    const { paths } = this.#files;
    const [kind, mode, size] = [this.#files.kind(file)!, this.#files.mode(file), this.#files.size(file)];
    return new BaseNode<I>(parent, paths.name(file), kind, mode, size, ino, { held: this.#held });
  }

  #isFile(file: number): boolean {
    const kind = this.#files.kind(file);
    return kind !== undefined && kind !== 'dir';
  }
}

/**
 * The tree of a backup. PGDATA's own mode is not in a backup: 0700, as restore makes it (format page 9.8).
 * Every `pg_tblspc/OID` that is in the tablespace map becomes a relative symlink into the hidden directory.
 */
export class BaseTree<I> {
  readonly root: BaseNode<I>;
  readonly #tablespaces: ReadonlyMap<string, string>;
  readonly #files: FileNumbers<I>;
  #nextIno = FIRST_INO;

  /** @throws PbkfsError about the backup, as BaseFiles.size(); backup_damaged when a name is file and directory at once */
  constructor(files: BaseFiles, tablespaces: ReadonlyMap<string, string>) {
    this.#tablespaces = tablespaces;
    this.#files = new FileNumbers(files);
    this.root = this.#node(null, '', DIRECTORY_MODE, 1, null);
    const { paths } = files;
    const directories: [path: string, mode: number][] = [];
    for (let file = 0; file < paths.count; file++) {
      if (files.kind(file) === 'dir') directories.push([paths.path(file), files.mode(file)]);
    }
    // Parents before children, whatever the order of the list.
    directories.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [path, mode] of directories) {
      mustBeNoFile(files, parentOf(path));
      this.#place(path, mode);
    }
    for (let directory = 0; directory < paths.directoryCount; directory++) {
      if (this.#files.in(directory).length === 0) continue;
      const path = paths.directoryPath(directory);
      mustBeNoFile(files, path);
      this.#directory(path).children!.addFilesOf(directory);
    }
    this.#hiddenDirectory();
    for (const oid of tablespaces.keys()) this.#tablespaceDirectory(oid);
    this.#files.start(this.#nextIno);
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

  /** A directory that the list has a line for. */
  #place(path: string, mode: number): void {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const parentPath = parentOf(path);
    if (parentPath === 'pg_tblspc' && this.#tablespaces.has(name)) return;
    const parent = this.#directory(parentPath);
    parent.children!.set(name, this.#node(parent, name, mode, this.#nextIno++, null));
  }

  /** The directory node for a path; made up with mode 0700 where the list has no line for it. */
  #directory(path: string): BaseNode<I> {
    if (path === '') return this.root;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const parentPath = parentOf(path);
    if (parentPath === 'pg_tblspc' && this.#tablespaces.has(name)) return this.#tablespaceDirectory(name);
    const parent = this.#directory(parentPath);
    return this.#childDirectory(parent, name, DIRECTORY_MODE, null);
  }

  #tablespaceDirectory(oid: string): BaseNode<I> {
    const links = this.#directory('pg_tblspc');
    if (links.children!.node(oid) === undefined) {
      const target = `../${HIDDEN_DIRECTORY}/${TABLESPACES}/${oid}`;
      const ino = this.#nextIno++;
      const link = new BaseNode<I>(links, oid, 'symlink', SYMLINK_MODE, target.length, ino, { alias: target });
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
    let node = parent.children!.node(name);
    if (node === undefined || node.kind !== 'dir') {
      node = this.#node(parent, name, mode, this.#nextIno++, alias);
      parent.children!.set(name, node);
    }
    return node;
  }

  #node(parent: BaseNode<I> | null, name: string, mode: number, ino: number, alias: string | null): BaseNode<I> {
    const children = new Children<I>(this.#files);
    const node = new BaseNode<I>(parent, name, 'dir', mode, 0, ino, { alias, children });
    children.owner = node;
    return node;
  }
}

/** @throws PbkfsError when the list has a file where one of its directories must be */
function mustBeNoFile(files: BaseFiles, directory: string): void {
  for (let path = directory; path !== ''; path = parentOf(path)) {
    const kind = kindOf(files, path);
    if (kind === undefined || kind === 'dir') continue;
    throw new PbkfsError('backup_damaged', `the backup lists ${displayPath(path)} as a file, and files below it`, {
      hint: 'validate the backup with pg_probackup, or choose another one',
    });
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function kindOf(files: BaseFiles, path: string): TreeEntry['kind'] | undefined {
  const file = files.paths.number(path);
  return file < 0 ? undefined : files.kind(file);
}

const DIRECTORY_MODE = 0o40700;
const SYMLINK_MODE = 0o120777;
