// The paths of a list by number: directories and the names in them, each stored once.

import { KeyTable, type KeyTableData } from './key-table.js';

const SLASH = 0x2f;

export interface PathTableData {
  /** Paths of the directories that names lie in; '' is number 0. */
  readonly directories: KeyTableData;
  /** Names, with the number of their directory. */
  readonly names: KeyTableData;
}

/** Paths are relative and have no empty component. They are numbered from 0 in the order in which they came. */
export class PathTable {
  readonly #directories: KeyTable;
  readonly #names: KeyTable;
  /** Lists name files of one directory one after the other, and in much the same order as other lists. */
  #directory = 0;
  #next = 0;

  private constructor(directories: KeyTable, names: KeyTable) {
    this.#directories = directories;
    this.#names = names;
  }

  /** @param expected how many paths there will be, roughly @param room for how many memory is reserved */
  static empty(expected: number, room = expected): PathTable {
    const directories = new KeyTable();
    directories.add(Buffer.alloc(0), 0, 0, 0);
    return new PathTable(directories, new KeyTable(expected, room));
  }

  static from({ directories, names }: PathTableData): PathTable {
    return new PathTable(KeyTable.from(directories), KeyTable.from(names));
  }

  get count(): number {
    return this.#names.count;
  }

  get directoryCount(): number {
    return this.#directories.count;
  }

  data(): PathTableData {
    return { directories: this.#directories.data(), names: this.#names.data() };
  }

  /** Adds a path unless it is there. @returns its number; it is new if that is what `count` was before */
  add(from: Uint8Array, start: number, end: number): number {
    const name = nameStart(from, start, end);
    const stop = Math.max(start, name - 1);
    let directory = this.#directories.findNear(from, start, stop, 0, this.#directory);
    if (directory < 0) directory = this.#directories.add(from, start, stop, 0);
    this.#directory = directory;
    return this.#names.add(from, name, end, directory);
  }

  /** @returns the path's number, or -1 */
  find(from: Uint8Array, start: number, end: number): number {
    const name = nameStart(from, start, end);
    const directory = this.#directories.findNear(from, start, Math.max(start, name - 1), 0, this.#directory);
    if (directory < 0) return -1;
    this.#directory = directory;
    const path = this.#names.findNear(from, name, end, directory, this.#next);
    if (path >= 0) this.#next = path + 1;
    return path;
  }

  /** @param path latin1 @returns its number, or -1 */
  number(path: string): number {
    const bytes = Buffer.from(path, 'latin1');
    return this.find(bytes, 0, bytes.length);
  }

  /** @returns the number of the name (latin1) in a directory, or -1 */
  numberIn(directory: number, name: string): number {
    const bytes = Buffer.from(name, 'latin1');
    return this.#names.find(bytes, 0, bytes.length, directory);
  }

  /** The path of a number, latin1. */
  path(number: number): string {
    const directory = this.directoryPath(this.directory(number));
    return directory === '' ? this.name(number) : `${directory}/${this.name(number)}`;
  }

  name(number: number): string {
    return this.#names.text(number);
  }

  /** The number of the directory that a path lies in. */
  directory(number: number): number {
    return this.#names.tag(number);
  }

  /** The path of a directory, latin1. */
  directoryPath(directory: number): string {
    return this.#directories.text(directory);
  }
}

function nameStart(from: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && from[at - 1] !== SLASH) at--;
  return at;
}
