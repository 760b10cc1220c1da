// The bytes of a content list as they are read: piece by piece from a file of any size, or all at once from memory.

import fs from 'node:fs';
import { crc32c } from '../crc.js';

/** Bytes read at a time: what fits into a processor's cache with what is made of it. */
const PIECE = 1 << 20;

/** A window on the list; what lies in `bytes` from some position to `end` has been read and not been used. */
export class ListInput {
  bytes: Buffer;
  end: number;
  /** Nothing comes after `end`. */
  complete: boolean;
  /** CRC-32C of all that was read. */
  crc = 0;
  readonly #fd: number;
  readonly #piece: number;
  readonly #onPiece: () => void;

  private constructor(bytes: Buffer, end: number, fd: number, piece: number, onPiece: () => void) {
    this.bytes = bytes;
    this.end = end;
    this.complete = fd < 0;
    this.#fd = fd;
    this.#piece = piece;
    this.#onPiece = onPiece;
  }

  /** A list in memory. */
  static of(bytes: Buffer): ListInput {
    return new ListInput(bytes, bytes.length, -1, PIECE, () => undefined);
  }

  /**
   * A list in a file, from its beginning.
   * @param onPiece called whenever a piece was read
   * @param piece bytes of one; for tests
   */
  static from(fd: number, onPiece: () => void = () => undefined, piece = PIECE): ListInput {
    return new ListInput(Buffer.allocUnsafe(2 * piece), 0, fd, piece, onPiece);
  }

  /** Whether so little is left that a line may just not be there yet; more() has more of it then. */
  isLow(at: number): boolean {
    return !this.complete && this.end - at < this.#piece / 16;
  }

  /**
   * Reads on. What lies before `at` is given up: `at` becomes 0.
   * @returns false when everything has been read before; nothing has moved then
   */
  more(at: number): boolean {
    if (this.complete) return false;
    const rest = this.end - at;
    // An entry that fills all the room is not one that pg_probackup wrote, but may be one all the same.
    const to = rest + this.#piece > this.bytes.length ? Buffer.allocUnsafe(2 * (rest + this.#piece)) : this.bytes;
    this.bytes.copy(to, 0, at, this.end);
    this.bytes = to;
    this.end = rest;
    const got = fs.readSync(this.#fd, to, rest, this.#piece, null);
    if (got === 0) this.complete = true;
    this.crc = crc32c(to.subarray(rest, rest + got), this.crc);
    this.end = rest + got;
    this.#onPiece();
    return true;
  }

  /** Reads to the end, for the CRC alone. */
  drain(): void {
    while (this.more(this.end));
  }
}
