// The files of a backup by directory. They are numbers: a backup has a million, of which few are ever asked for. A node
// for a file is made when somebody asks, and kept while it has an inode.

import type { PathTable, TreeEntry } from '../../backup/index.js';
import { BaseNode } from './base-node.js';

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

/** The files of a backup by directory. */
export class FileNumbers<I> {
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
