// One backup's file list in memory: columns of numbers and one buffer of path bytes, for lists of a million lines.

import type { CompressAlg } from './codec/names.js';
import { compressAlgs } from './codec/names.js';
import { S_IFDIR, S_IFMT } from './constants.js';

/** `size` of a file that is unchanged since the parent: nothing is stored. */
export const UNCHANGED = -1;

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
  count = 0;
  readonly size: Float64Array;
  readonly mode: Uint32Array;
  readonly crc: Uint32Array;
  readonly nBlocks: Int32Array;
  readonly nHeaders: Int32Array;
  readonly headerCrc: Uint32Array;
  readonly headerOff: Float64Array;
  readonly headerSize: Int32Array;
  readonly externalDir: Uint32Array;
  readonly #segno: Uint32Array;
  readonly #alg: Uint8Array;
  readonly #flags: Uint8Array;
  readonly #pathStart: Uint32Array;
  /** Open addressing, row + 1, 0 = free. */
  readonly #slots: Int32Array;
  #paths: Buffer;

  /**
   * @param maxRows rows there can be at most
   * @param paths buffer that append() copies paths into, front to back; may be the list file's own buffer
   */
  constructor(maxRows: number, paths: Buffer) {
    this.size = new Float64Array(maxRows);
    this.mode = new Uint32Array(maxRows);
    this.crc = new Uint32Array(maxRows);
    this.nBlocks = new Int32Array(maxRows);
    this.nHeaders = new Int32Array(maxRows);
    this.headerCrc = new Uint32Array(maxRows);
    this.headerOff = new Float64Array(maxRows);
    this.headerSize = new Int32Array(maxRows);
    this.externalDir = new Uint32Array(maxRows);
    this.#segno = new Uint32Array(maxRows);
    this.#alg = new Uint8Array(maxRows);
    this.#flags = new Uint8Array(maxRows);
    this.#pathStart = new Uint32Array(maxRows + 1);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(8, maxRows * 1.5))));
    this.#paths = paths;
  }

  /**
   * Adds a row whose path is the given range of `from`.
   * @returns false when (path, external dir) is there already; nothing is added then
   */
  append(from: Buffer, start: number, end: number, row: ListRow): boolean {
    const index = this.count;
    const pathStart = this.#pathStart[index]!;
    // May copy within one buffer: paths never lie before the place they are collected at.
    from.copy(this.#paths, pathStart, start, end);
    this.#pathStart[index + 1] = pathStart + end - start;
    this.externalDir[index] = row.externalDir;
    const slot = this.#slotOf(this.#paths, pathStart, pathStart + end - start, row.externalDir);
    if (this.#slots[slot] !== 0) return false;
    this.#slots[slot] = index + 1;
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
    this.count = index + 1;
    return true;
  }

  /** Lets go of the buffer the list was read into. */
  compact(): void {
    this.#paths = Buffer.from(this.#paths.subarray(0, this.#pathStart[this.count]));
  }

  /** @returns the row of a path (latin1), or -1 */
  find(path: string, externalDir = 0): number {
    const bytes = Buffer.from(path, 'latin1');
    return this.#slots[this.#slotOf(bytes, 0, bytes.length, externalDir)]! - 1;
  }

  path(row: number): string {
    return this.#paths.toString('latin1', this.#pathStart[row], this.#pathStart[row + 1]);
  }

  isDirectory(row: number): boolean {
    return (this.mode[row]! & S_IFMT) === S_IFDIR;
  }

  /** Stored as a page stream. */
  isDatafile(row: number): boolean {
    return (this.#flags[row]! & (flagDatafile | flagCfs)) === flagDatafile;
  }

  isCfs(row: number): boolean {
    return (this.#flags[row]! & flagCfs) !== 0;
  }

  /** @returns undefined for a name no codec is known for */
  compressAlg(row: number): CompressAlg | undefined {
    return compressAlgs[this.#alg[row]!];
  }

  /** The segment number; where an old list has none, by the `.N` of the name. */
  segno(row: number): number {
    if ((this.#flags[row]! & flagSegno) !== 0) return this.#segno[row]!;
    const match = /\.(\d{1,7})$/.exec(this.path(row));
    return match === null ? 0 : Number(match[1]);
  }

  /** The slot of a key: the one that holds it, else the free one where it belongs. */
  #slotOf(bytes: Buffer, start: number, end: number, externalDir: number): number {
    const mask = this.#slots.length - 1;
    let hash = 0x811c9dc5 ^ externalDir;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0 || (this.externalDir[row] === externalDir && this.#samePath(row, bytes, start, end))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #samePath(row: number, bytes: Buffer, start: number, end: number): boolean {
    const own = this.#pathStart[row]!;
    if (this.#pathStart[row + 1]! - own !== end - start) return false;
    for (let i = end - start - 1; i >= 0; i--) if (this.#paths[own + i] !== bytes[start + i]) return false;
    return true;
  }
}
