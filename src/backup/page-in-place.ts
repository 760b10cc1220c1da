// A page that is stored as it is, read to where it shall be without a copy: one pread brings its record header and the
// page, and the header lies in the 8 bytes before the page meanwhile.
//
//     out        …………………… | 8 bytes | 8192 bytes of the page | ……
//     record                 header    payload

import { SteadyMemory } from '../sys/steady-memory.js';
import { BLCKSZ, RECORD_HEADER } from './constants.js';

const RECORD = RECORD_HEADER + BLCKSZ;

/** One thread's reads of this kind; the fields are those of the last record. */
export class PageInPlace {
  readonly #memory = new SteadyMemory();
  /** block number and payload size by the record's header */
  block = 0;
  size = 0;

  /**
   * Reads the record at `position` of a stored file; the page comes to `outOffset`, and what lies before it stays as it
   * was. An error leaves rubbish in both.
   * @param outOffset at least RECORD_HEADER
   * @returns bytes of the record that there were
   */
  read(fd: number, position: number, out: Uint8Array, outOffset: number): number {
    const at = outOffset - RECORD_HEADER;
    const low = word(out, at);
    const high = word(out, at + 4);
    const got = this.#memory.preadAll(fd, out, at, RECORD, position);
    this.block = word(out, at) >>> 0;
    this.size = word(out, at + 4);
    setWord(out, at, low);
    setWord(out, at + 4, high);
    return got;
  }
}

/** The signed little-endian word at `at`, without a view object. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}
