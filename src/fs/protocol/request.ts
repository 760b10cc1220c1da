// Reading requests: a view over the buffer that read(2) on /dev/fuse filled. No allocation for fixed-size fields.
//
//   fuse_in_header (40 bytes): len, opcode, unique u64, nodeid u64, uid, gid, pid, total_extlen u16, padding u16
//
// A nodeid is read as two halves: the row of the file table and its generation.

import { IN_HEADER } from './constants.js';

export class Request {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly #text: Buffer;

  /** @param buffer at least REQUEST_BUFFER bytes */
  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.#text = Buffer.from(buffer as ArrayBuffer);
  }

  get length(): number {
    return this.words[0]!;
  }

  get opcode(): number {
    return this.words[1]!;
  }

  get uniqueLow(): number {
    return this.words[2]!;
  }

  get uniqueHigh(): number {
    return this.words[3]!;
  }

  get row(): number {
    return this.words[4]!;
  }

  get generation(): number {
    return this.words[5]! | 0;
  }

  get uid(): number {
    return this.words[6]!;
  }

  get gid(): number {
    return this.words[7]!;
  }

  get pid(): number {
    return this.words[8]!;
  }

  /** The u32 at `offset` bytes of the body. */
  u32(offset: number): number {
    return this.words[(IN_HEADER + offset) / 4]!;
  }

  /** The u64 at `offset` bytes of the body as a number; exact below 2^53. */
  u64(offset: number): number {
    const at = (IN_HEADER + offset) / 4;
    return this.words[at]! + this.words[at + 1]! * 2 ** 32;
  }

  /** The signed 64-bit value at `offset` bytes of the body as a number. */
  i64(offset: number): number {
    const at = (IN_HEADER + offset) / 4;
    return this.words[at]! + (this.words[at + 1]! | 0) * 2 ** 32;
  }

  /** The zero-terminated byte string at `offset` bytes of the body, as latin1. */
  name(offset: number): string {
    const start = IN_HEADER + offset;
    const end = this.#text.indexOf(0, start);
    return this.#text.toString('latin1', start, end < 0 || end > this.length ? this.length : end);
  }
}
