// One file the diff holds: an object and its block map over a base file, resolved block by block.
//
//   block n:   n >= ceil(baseLimit / 8192) ────────────▶ object (holes are zeros)
//              bit n set ──────────────────────────────▶ object
//              else ───────────────────────────────────▶ base
//
// Orderings, for readers without locks and for kill -9 between any two steps:
//   write     data → bits in the map file → bits in memory → length in the map file → length in memory
//   grow      object's size → length in the map file → length in memory
//   shrink    length in memory → object's size → length in the map file
// So below the map file's length and within a set bit there is always data, and a length that was cut in half is
// settled at load to the shorter of map and object.

import { BLCKSZ } from '../../backup/constants.js';
import type { BlockState, StateRegion } from './block-state.js';
import { needsSync, type Snapshot, syncState, takeSnapshot } from './durable-image.js';
import { growthOf, shrinkageOf } from './held-blocks.js';
import { LiveMap } from './live-map.js';
import type { OpenObject } from './object.js';
import { type DiffStorage, pwriteFully } from './storage.js';

/** Content of the base file below the diff. */
export interface BaseReader {
  /** Puts the 8192 bytes of a base block at out[outOffset]; zeros past the end of the base. Throws when it is damaged. */
  readBlock(block: number, out: Uint8Array, outOffset: number): void;
}

// One per thread: everything here is synchronous and a base reader never writes to a diff.
const scratch = new Uint8Array(BLCKSZ);
const zeros = new Uint8Array(32 * BLCKSZ);

/**
 * The view one thread has of one file. All threads' views share the state; the callers guarantee that mutations and
 * {@link snapshot} of a file exclude each other (its ticket) and that {@link sync}s of a file exclude each other;
 * the reading methods may be called at any moment. A reader takes {@link length} first and believes what is below it;
 * a short pread of the object below that length means a truncate ran meanwhile: take the length again.
 *
 * A failed mutation throws the storage's error; the old content stays readable (blocks that were in the object
 * already may hold part of the new data, as after any failed write) and the next mutation first repairs the rest.
 */
export class DiffFile {
  readonly object: OpenObject;
  readonly #storage: DiffStorage;
  readonly #state: BlockState;
  readonly #base: BaseReader;
  readonly #map: LiveMap;

  constructor(storage: DiffStorage, object: OpenObject, state: StateRegion, base: BaseReader, baseLength: number) {
    this.#storage = storage;
    this.object = object;
    this.#map = new LiveMap(storage, object, state, baseLength);
    this.#state = this.#map.state;
    this.#base = base;
  }

  /** Logical length in bytes. */
  length(): number {
    return this.#state.length;
  }

  /** Bytes of the base that still count. */
  baseLimit(): number {
    return this.#state.baseLimit;
  }

  /** True when the object holds the block's content; false when the base does. */
  isPresent(block: number): boolean {
    return this.#state.isPresent(block);
  }

  /** How many of the next blocks (1..maxBlocks) come from the same side as `block`. */
  runOf(block: number, maxBlocks: number): { present: boolean; count: number } {
    const present = this.#state.isPresent(block);
    if (block >= this.#state.limitBlocks) return { present, count: maxBlocks };
    let count = 1;
    while (count < maxBlocks && this.#state.isPresent(block + count) === present) count++;
    return { present, count };
  }

  /** See {@link growthOf}. */
  growth(from: number, to: number, length: number): number {
    return growthOf(this.#state, from, to, length);
  }

  /** See {@link shrinkageOf}. */
  shrinkage(length: number): number {
    return shrinkageOf(this.#state, length);
  }

  /** Writes data[dataOffset, dataOffset + length) at `position`, extending the file where it ends beyond. */
  write(data: Uint8Array, dataOffset: number, length: number, position: number): void {
    if (length === 0) return;
    this.#map.settle();
    try {
      this.#write(data, dataOffset, length, position);
    } catch (error) {
      this.#map.repair();
      throw error;
    }
  }

  /** Sets the length; cuts off or extends by zeros. */
  truncate(length: number): void {
    if (length >= this.#state.length) {
      this.#grow(length, false);
      return;
    }
    this.#map.settle();
    this.#map.shorten(length);
  }

  /** fallocate(2), mode 0: extends by zeros to at least `length`, reserving the space where the file system can. */
  extend(length: number): void {
    this.#grow(length, true);
  }

  /**
   * Makes [from, to) read as zeros as far as the file reaches. Not atomic: a failure may leave some of the range as it
   * was.
   */
  zeroRange(from: number, to: number): void {
    const end = Math.min(to, this.#state.length);
    const [first, last] = [Math.ceil(from / BLCKSZ), Math.floor(end / BLCKSZ)];
    if (first < last) {
      // First what is likely to fail: blocks that change in part are completed from the base.
      this.#writeZeros(from, first * BLCKSZ);
      this.#writeZeros(last * BLCKSZ, end);
      // The file may have grown to terabytes.
      if (!this.#punch(first, last)) this.#writeZeros(first * BLCKSZ, last * BLCKSZ);
    } else this.#writeZeros(from, end);
  }

  /**
   * The state as it is between two mutations, to be made durable by {@link sync}. Call it under the ticket. With
   * `completing` the sync will mark the file complete if every base block is in the object: from then on the map is no
   * longer written or believed.
   * @throws the storage's error when what a failed mutation left behind still cannot be repaired.
   */
  snapshot(completing = false): Snapshot {
    this.#map.settle();
    return takeSnapshot(this.#state, completing);
  }

  /** Whether a sync now would have anything to do. */
  needsSync(): boolean {
    return needsSync(this.#state);
  }

  /**
   * Makes a snapshot durable: object, map and (the first time) their names. Other mutations may run meanwhile.
   * @throws the storage's error; after a failed sync of object, map or names every sync fails until the next mount.
   */
  sync(snapshot: Snapshot): void {
    syncState(this.#storage, this.object, this.#map.file, this.#state, snapshot);
  }

  /** Makes holes of the blocks [first, end), where the storage can. */
  #punch(first: number, end: number): boolean {
    this.#map.settle();
    try {
      this.#state.noteDataChange();
      if (!this.#storage.punch(this.object.objectFd, first * BLCKSZ, end * BLCKSZ)) return false;
      this.#map.setPresent(first, end - 1);
      return true;
    } catch (error) {
      this.#map.repair();
      throw error;
    }
  }

  #writeZeros(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const step = Math.min(to - at, zeros.length - (at % BLCKSZ));
      this.write(zeros, 0, step, at);
      at += step;
    }
  }

  #write(data: Uint8Array, dataOffset: number, length: number, position: number): void {
    const state = this.#state;
    const fd = this.object.objectFd;
    const end = position + length;
    const oldLength = state.length;
    const newLength = Math.max(oldLength, end);
    if (end > oldLength) this.#fetchCutBlock();
    state.noteDataChange();
    const first = Math.floor(position / BLCKSZ);
    const last = Math.floor((end - 1) / BLCKSZ);
    // A block that only the base has must be completed from it, unless the write covers all of it that counts.
    const mergeFirst = position > first * BLCKSZ && !state.isPresent(first);
    const mergeLast = end < Math.min((last + 1) * BLCKSZ, newLength) && !state.isPresent(last);
    let from = position;
    let to = end;
    if (mergeFirst || (first === last && mergeLast)) {
      from = Math.min(end, (first + 1) * BLCKSZ);
      this.#writeMerged(first, data, dataOffset, position, from, newLength);
    }
    if (mergeLast && first !== last) {
      to = last * BLCKSZ;
      this.#writeMerged(last, data, dataOffset + (to - position), to, end, newLength);
    }
    if (from < to) pwriteFully(this.#storage, fd, data, dataOffset + (from - position), to - from, from);
    this.#map.setPresent(first, last);
    if (newLength > oldLength) this.#map.lengthen(newLength);
  }

  /** Writes a whole block (as far as the file reaches): the base's content with data for [from, to) laid over it. */
  #writeMerged(block: number, data: Uint8Array, dataOffset: number, from: number, to: number, newLength: number): void {
    const start = block * BLCKSZ;
    this.#readBase(block);
    scratch.set(data.subarray(dataOffset, dataOffset + (to - from)), from - start);
    pwriteFully(this.#storage, this.object.objectFd, scratch, 0, Math.min(BLCKSZ, newLength - start), start);
  }

  /** The base block in scratch, zeros where the base no longer counts. */
  #readBase(block: number): void {
    this.#base.readBlock(block, scratch, 0);
    const valid = this.#state.baseLimit - block * BLCKSZ;
    if (valid < BLCKSZ) scratch.fill(0, valid);
  }

  /**
   * A truncate may have cut the base in the middle of a block that is still the base's. Before the file grows over the
   * cut, that block moves to the object, or the base's bytes beyond the cut would come back.
   */
  #fetchCutBlock(): void {
    const state = this.#state;
    const { baseLimit } = state;
    const block = Math.floor(baseLimit / BLCKSZ);
    if (baseLimit === state.baseLength || baseLimit % BLCKSZ === 0 || state.isPresent(block)) return;
    this.#readBase(block);
    state.noteDataChange();
    const start = block * BLCKSZ;
    pwriteFully(this.#storage, this.object.objectFd, scratch, 0, baseLimit - start, start);
    this.#map.setPresent(block, block);
  }

  #grow(length: number, reserve: boolean): void {
    const state = this.#state;
    if (length <= state.length) return;
    this.#map.settle();
    try {
      this.#fetchCutBlock();
      state.noteDataChange();
      if (reserve) this.#storage.allocate(this.object.objectFd, state.length, length);
      else this.#storage.ftruncate(this.object.objectFd, length);
      this.#map.lengthen(length);
    } catch (error) {
      this.#map.repair();
      throw error;
    }
  }
}
