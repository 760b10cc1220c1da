// One shared block of memory for per-file structures (block indexes, block maps), with an allocator any thread may use.
//
//   word 0        lock
//   word 1        next never-used 64-byte unit
//   word 2        units in use (for metrics)
//   word 3..31    head of the free list of each size class, as a unit number (0: empty)
//   byte 128..    units; the first word of a free piece links to the next free piece of its class
//
// Sizes are rounded up to powers of two, so a freed piece always fits the next request of its class. Only address space is
// reserved at first: the buffer grows with what is handed out, because a kernel that does not overcommit (as PostgreSQL's
// documentation wants it) counts whatever could be written, and one with less memory than that refuses it.

import { PbkfsError } from '../../errors.js';
import { lock, unlock } from '../../pending/mutex.js';
import { shareable } from './shareable.js';

const LOCK = 0;
const NEXT = 1;
const USED = 2;
const FREE_LISTS = 3;
/** Bytes of a unit; classes are 1, 2, 4 … of them. */
export const UNIT = 64;
const CLASSES = 29;
const FIRST_UNIT = 2;
/** Growth in one step, and the share of its size by which it grows when that is more. */
const STEP = 1 << 20;
const SHARE = 1 / 8;

export class Arena {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    // Grows with the buffer.
    this.#words = new Int32Array(buffer);
  }

  /** @param bytes size of the reservation, at most 4 GiB @throws PbkfsError no_memory */
  static create(bytes: number): Arena {
    const arena = new Arena(shareable(Math.min(bytes, STEP), { maxByteLength: bytes }, 'the block indexes'));
    arena.#words[NEXT] = FIRST_UNIT;
    return arena;
  }

  /** Zeroed memory, aligned to 64 bytes. Returns its byte offset; throws `no_memory` when the arena is full. */
  allocate(bytes: number): number {
    const sizeClass = classOf(bytes);
    const units = 2 ** sizeClass;
    lock(this.#words, LOCK);
    try {
      const recycled = this.#words[FREE_LISTS + sizeClass]!;
      if (recycled !== 0) {
        const offset = recycled * UNIT;
        this.#words[FREE_LISTS + sizeClass] = this.#words[offset / 4]!;
        this.#words[USED]! += units;
        this.#words.fill(0, offset / 4, (offset + units * UNIT) / 4);
        return offset;
      }
      const next = this.#words[NEXT]! >>> 0;
      if (!this.#reach((next + units) * UNIT)) {
        const offset = this.#split(sizeClass);
        if (offset !== undefined) return offset;
        throw new PbkfsError(
          'no_memory',
          `no more memory for block indexes and block maps than ${this.buffer.byteLength} bytes`,
          {
            hint: 'see how much memory the machine has left; else unmount and mount again, and report how many files and blocks were in use',
          },
        );
      }
      this.#words[NEXT] = next + units;
      this.#words[USED]! += units;
      return next * UNIT;
    } finally {
      unlock(this.#words, LOCK);
    }
  }

  /** Gives memory back. `bytes` is what was asked for. Nobody may touch it afterwards. */
  free(offset: number, bytes: number): void {
    const sizeClass = classOf(bytes);
    lock(this.#words, LOCK);
    this.#words[offset / 4] = this.#words[FREE_LISTS + sizeClass]!;
    this.#words[FREE_LISTS + sizeClass] = offset / UNIT;
    this.#words[USED]! -= 2 ** sizeClass;
    unlock(this.#words, LOCK);
  }

  /** Grows the buffer, if it must, to `bytes` at least. The lock is held. @returns false where that cannot be */
  #reach(bytes: number): boolean {
    const { buffer } = this;
    if (bytes <= buffer.byteLength) return true;
    if (bytes > buffer.maxByteLength) return false;
    const generous = Math.ceil((bytes + buffer.byteLength * SHARE) / STEP) * STEP;
    return grow(buffer, Math.min(generous, buffer.maxByteLength)) || grow(buffer, bytes);
  }

  /** Zeroed memory out of a larger free piece, whose other parts go to the lists of their classes. The lock is held. */
  #split(sizeClass: number): number | undefined {
    const units = 2 ** sizeClass;
    for (let larger = sizeClass + 1; larger < CLASSES; larger++) {
      const piece = this.#words[FREE_LISTS + larger]!;
      if (piece === 0) continue;
      this.#words[FREE_LISTS + larger] = this.#words[(piece * UNIT) / 4]!;
      for (let part = sizeClass; part < larger; part++) {
        const rest = piece + 2 ** part;
        this.#words[(rest * UNIT) / 4] = this.#words[FREE_LISTS + part]!;
        this.#words[FREE_LISTS + part] = rest;
      }
      this.#words[USED]! += units;
      this.#words.fill(0, (piece * UNIT) / 4, ((piece + units) * UNIT) / 4);
      return piece * UNIT;
    }
    return undefined;
  }

  /** Memory that a piece of so many bytes takes, in units of UNIT bytes. */
  static units(bytes: number): number {
    return 2 ** classOf(bytes);
  }

  /** Bytes handed out and not given back. */
  bytesInUse(): number {
    return Atomics.load(this.#words, USED) * UNIT;
  }
}

function grow(buffer: SharedArrayBuffer, bytes: number): boolean {
  try {
    buffer.grow(bytes);
    return true;
  } catch {
    return false;
  }
}

function classOf(bytes: number): number {
  return Math.max(0, Math.ceil(Math.log2(bytes / UNIT)));
}
