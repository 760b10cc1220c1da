// The live block map of one file in shared memory: length, baseLimit, bits and the counters that say what is un-synced.
//
//   0   f64 length        8   f64 baseLimit     16  f64 sequence of the newest durable image (or attempt at one)
//   24  i32 dataChanges   28  i32 dataSynced    changes to the object: made / covered by a returned fdatasync
//   32  i32 mapChanges    36  i32 mapSynced     changes to the map:    made / in the durable image
//   40  i32 durableSlot   -1 none, 0, 1         44  i32 flags
//   48  boot id (16)                            64  bits, words of 32, block n is bit n%32 of word n/32
//
// Mutations and snapshots are exclusive (ticket), syncs are exclusive among themselves, readers come at any moment:
// bits are set by Atomics after the data is in the object, length is one aligned 8-byte store.

import { BLCKSZ } from '../../backup/constants.js';
import { bitsBytes, mappedBlocks } from './map-format.js';

const HEADER = 64;

/** Where the state of one file lives. */
export interface StateRegion {
  readonly buffer: SharedArrayBuffer;
  /** A multiple of 8. */
  readonly byteOffset: number;
}

/** Bytes of shared memory one file's state needs, a multiple of 8. */
export function stateSize(baseLength: number): number {
  return HEADER + bitsBytes(baseLength);
}

export const flag = {
  /** Every base block is in the object, durably: the map is ignored from now on. */
  complete: 1,
  /** A mutation failed half-way: object size and the map's current image may differ from memory until repaired. */
  unsettled: 2,
  /** An fdatasync of the object failed: what is durable is unknown until the next mount. */
  syncFailed: 4,
} as const;

const DATA_CHANGES = 0;
const DATA_SYNCED = 1;
const MAP_CHANGES = 2;
const MAP_SYNCED = 3;
const DURABLE_SLOT = 4;
const FLAGS = 5;

/** True when counter a is later than b; survives wrap-around. */
export function later(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** Views on one file's state. Cheap; each thread makes its own. */
export class BlockState {
  readonly baseLength: number;
  readonly mapped: number;
  readonly words: Int32Array;
  readonly boot: Uint8Array;
  readonly #numbers: Float64Array;
  readonly #counters: Int32Array;

  constructor(region: StateRegion, baseLength: number) {
    this.baseLength = baseLength;
    this.mapped = mappedBlocks(baseLength);
    this.#numbers = new Float64Array(region.buffer, region.byteOffset, 3);
    this.#counters = new Int32Array(region.buffer, region.byteOffset + 24, 6);
    this.boot = new Uint8Array(region.buffer, region.byteOffset + 48, 16);
    this.words = new Int32Array(region.buffer, region.byteOffset + HEADER, bitsBytes(baseLength) / 4);
  }

  /** Starts the state of an object that has never been synced; nothing is present. */
  reset(length: number, baseLimit: number, boot: Uint8Array): void {
    this.#numbers.fill(0);
    this.#counters.fill(0);
    this.words.fill(0);
    this.boot.set(boot);
    this.durableSlot = -1;
    this.length = length;
    this.baseLimit = baseLimit;
  }

  get length(): number {
    return this.#numbers[0]!;
  }
  set length(value: number) {
    this.#numbers[0] = value;
  }

  /** Bytes of the base that still count; only ever shrinks; never above length. */
  get baseLimit(): number {
    return this.#numbers[1]!;
  }
  set baseLimit(value: number) {
    this.#numbers[1] = value;
  }

  get sequence(): number {
    return this.#numbers[2]!;
  }
  set sequence(value: number) {
    this.#numbers[2] = value;
  }

  get dataChanges(): number {
    return Atomics.load(this.#counters, DATA_CHANGES);
  }
  get dataSynced(): number {
    return Atomics.load(this.#counters, DATA_SYNCED);
  }
  set dataSynced(value: number) {
    Atomics.store(this.#counters, DATA_SYNCED, value);
  }
  get mapChanges(): number {
    return Atomics.load(this.#counters, MAP_CHANGES);
  }
  get mapSynced(): number {
    return Atomics.load(this.#counters, MAP_SYNCED);
  }
  set mapSynced(value: number) {
    Atomics.store(this.#counters, MAP_SYNCED, value);
  }
  get durableSlot(): number {
    return Atomics.load(this.#counters, DURABLE_SLOT);
  }
  set durableSlot(value: number) {
    Atomics.store(this.#counters, DURABLE_SLOT, value);
  }

  noteDataChange(): void {
    Atomics.add(this.#counters, DATA_CHANGES, 1);
  }
  noteMapChange(): void {
    Atomics.add(this.#counters, MAP_CHANGES, 1);
  }

  has(which: number): boolean {
    return (Atomics.load(this.#counters, FLAGS) & which) !== 0;
  }
  raise(which: number): void {
    Atomics.or(this.#counters, FLAGS, which);
  }
  lower(which: number): void {
    Atomics.and(this.#counters, FLAGS, ~which);
  }

  /** Blocks below this one need their bit; at and beyond it the object is the truth. */
  get limitBlocks(): number {
    return Math.ceil(this.baseLimit / BLCKSZ);
  }

  /** Whether the block's content is in the object. `block` is any block number, also beyond the end. */
  isPresent(block: number): boolean {
    if (block >= this.limitBlocks) return true;
    return (Atomics.load(this.words, block >>> 5) & (1 << (block & 31))) !== 0;
  }

  /** A private copy of the bits in the byte order of the map file. */
  copyBits(): Uint8Array {
    const copy = new Int32Array(this.words.length);
    for (let i = 0; i < copy.length; i++) copy[i] = Atomics.load(this.words, i);
    return new Uint8Array(copy.buffer);
  }

  setBits(bits: Uint8Array): void {
    new Uint8Array(this.words.buffer, this.words.byteOffset, this.words.byteLength).set(bits);
  }

  /** Bits set among the blocks [first, end) that the base could supply: how many of them the diff has replaced. */
  countPresent(first = 0, end = this.mapped): number {
    let count = 0;
    for (let block = first; block < end; ) {
      const from = block & 31;
      const to = Math.min(32, from + end - block);
      let word = Atomics.load(this.words, block >>> 5) >>> from;
      if (to - from < 32) word &= 2 ** (to - from) - 1;
      for (; word !== 0; word &= word - 1) count++;
      block += to - from;
    }
    return count;
  }
}
