// One backup's file list in memory: columns of numbers and one buffer of path bytes, for lists of a million lines.

import { S_IFDIR, S_IFMT } from './constants.js';
import { KeyTable } from './lists/key-table.js';

/** `size` of a file that is unchanged since the parent: nothing is stored. */
export const UNCHANGED = -1;

/**
 * `size` of a file that went while it was backed up: as if it were not listed. 2.0.27 to 2.1.2 forgot to leave it out where
 * its neighbour in the list went, too.
 */
export const VANISHED = -2;

/** n_blocks where the list does not say. */
export const UNKNOWN_BLOCKS = -1;

/** Code of a compress_alg that no codec is known for. */
export const UNKNOWN_ALG = 255;

const flagDatafile = 1;
const flagCfs = 2;
const flagSegno = 4;

/** Values of one line, reused from line to line by the parser. */
export interface ListRow {
  size: number;
  mode: number;
  isDatafile: boolean;
  isCfs: boolean;
  crc: number;
  /** Index into compressAlgs, or UNKNOWN_ALG. */
  alg: number;
  externalDir: number;
  /** -1 when the line has none. */
  segno: number;
  nBlocks: number;
  nHeaders: number;
  headerCrc: number;
  headerOff: number;
  headerSize: number;
}

/**
 * The lines of a backup_content.control, addressed by row (0..count-1, in the order of the file). Rows are looked up by
 * (path, external dir number). About 70 bytes a row beside the path.
 */
export class ContentList {
  readonly size: Float64Array;
  readonly mode: Uint32Array;
  readonly crc: Uint32Array;
  readonly nBlocks: Int32Array;
  readonly nHeaders: Int32Array;
  readonly headerCrc: Uint32Array;
  readonly headerOff: Float64Array;
  readonly headerSize: Int32Array;
  readonly #segno: Uint32Array;
  readonly #alg: Uint8Array;
  readonly #flags: Uint8Array;
  /** External dir number and path of each row. */
  readonly #paths: KeyTable;

  /** @param maxRows rows there can be at most */
  constructor(maxRows: number) {
    this.size = new Float64Array(maxRows);
    this.mode = new Uint32Array(maxRows);
    this.crc = new Uint32Array(maxRows);
    this.nBlocks = new Int32Array(maxRows);
    this.nHeaders = new Int32Array(maxRows);
    this.headerCrc = new Uint32Array(maxRows);
    this.headerOff = new Float64Array(maxRows);
    this.headerSize = new Int32Array(maxRows);
    this.#segno = new Uint32Array(maxRows);
    this.#alg = new Uint8Array(maxRows);
    this.#flags = new Uint8Array(maxRows);
    this.#paths = new KeyTable(maxRows);
  }

  get count(): number {
    return this.#paths.count;
  }

  /**
   * Adds a row whose path is the given range of `from`.
   * @returns false when (path, external dir) is there already; nothing is added then
   */
  append(from: Uint8Array, start: number, end: number, row: ListRow): boolean {
    const index = this.#paths.count;
    if (this.#paths.add(from, start, end, row.externalDir) !== index) return false;
    this.size[index] = row.size;
    this.mode[index] = row.mode;
    this.crc[index] = row.crc;
    this.nBlocks[index] = row.nBlocks;
    this.nHeaders[index] = row.nHeaders;
    this.headerCrc[index] = row.headerCrc;
    this.headerOff[index] = row.headerOff;
    this.headerSize[index] = row.headerSize;
    this.#segno[index] = Math.max(0, row.segno);
    this.#alg[index] = row.alg;
    this.#flags[index] =
      (row.isDatafile ? flagDatafile : 0) | (row.isCfs ? flagCfs : 0) | (row.segno >= 0 ? flagSegno : 0);
    return true;
  }

  /** @returns the row of a path (latin1), or -1 */
  find(path: string, externalDir = 0): number {
    const bytes = Buffer.from(path, 'latin1');
    return this.#paths.find(bytes, 0, bytes.length, externalDir);
  }

  path(row: number): string {
    return this.#paths.text(row);
  }

  externalDir(row: number): number {
    return this.#paths.tag(row);
  }

  /** What the line of a row says of the file itself. */
  entry(row: number): ListEntry {
    return {
      size: this.size[row]!,
      isDirectory: this.isDirectory(row),
      isDatafile: this.isDatafile(row),
      crc: this.crc[row]!,
      alg: this.#alg[row]!,
      segno: (this.#flags[row]! & flagSegno) !== 0 ? this.#segno[row]! : -1,
      nBlocks: this.nBlocks[row]!,
      nHeaders: this.nHeaders[row]!,
      headerCrc: this.headerCrc[row]!,
      headerOff: this.headerOff[row]!,
      headerSize: this.headerSize[row]!,
    };
  }

  isDirectory(row: number): boolean {
    return (this.mode[row]! & S_IFMT) === S_IFDIR;
  }

  /** Stored as a page stream. */
  isDatafile(row: number): boolean {
    return (this.#flags[row]! & (flagDatafile | flagCfs)) === flagDatafile;
  }

  segno(row: number): number {
    return segnoOf(this.entry(row), this.path(row));
  }
}

/** What a line says of one file or directory, its name aside. */
export interface ListEntry {
  /** Stored bytes, 0 or UNCHANGED. */
  readonly size: number;
  readonly isDirectory: boolean;
  /** Stored as a page stream. */
  readonly isDatafile: boolean;
  readonly crc: number;
  /** Index into compressAlgs, or UNKNOWN_ALG. */
  readonly alg: number;
  /** -1 where the line has none. */
  readonly segno: number;
  readonly nBlocks: number;
  readonly nHeaders: number;
  readonly headerCrc: number;
  readonly headerOff: number;
  readonly headerSize: number;
}

/**
 * The segment number of a data file. A relation's file has it in its name, and only there is it sure: pg_probackup 2.5.9
 * lists 0 for all of them. Of other names what is listed counts, and where nothing is, the `.N` of the name.
 */
export function segnoOf({ segno }: ListEntry, path: string): number {
  const relation = /(?:^|\/)[1-9]\d{0,9}(?:\.([1-9]\d{0,4}))?$/.exec(path);
  if (relation !== null) return Number(relation[1] ?? 0);
  if (segno >= 0) return segno;
  const match = /\.(\d{1,7})$/.exec(path);
  return match === null ? 0 : Number(match[1]);
}
