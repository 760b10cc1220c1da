// The names a backup gives: the target's content list as a tree, with tablespaces moved where links can reach them.

import { displayPath, type TreeEntry } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { type BaseFiles, FileNumbers } from './base-files.js';
import { BaseNode, Children } from './base-node.js';
import { HIDDEN_DIRECTORY, LINKS_PATH, TABLESPACES, TABLESPACES_PATH } from './hidden-directory.js';

const FIRST_INO = 2;
const DIRECTORY_MODE = 0o40700;
const SYMLINK_MODE = 0o120777;

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
    if (path.startsWith(`${LINKS_PATH}/`)) steps.splice(0, 2, 'pg_tblspc');
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
