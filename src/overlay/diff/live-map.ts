// Changing the live block map: each change goes to the map file's current image first, then to the shared memory.

import { BlockState, flag, type StateRegion } from './block-state.js';
import { MapFile } from './map-file.js';
import type { OpenObject } from './object.js';
import type { DiffStorage } from './storage.js';

/** One thread's hold on a file's map: shared state and map file together. Mutations only under the file's ticket. */
export class LiveMap {
  readonly state: BlockState;
  readonly file: MapFile;
  readonly #storage: DiffStorage;
  readonly #object: OpenObject;

  constructor(storage: DiffStorage, object: OpenObject, region: StateRegion, baseLength: number) {
    this.#storage = storage;
    this.#object = object;
    this.state = new BlockState(region, baseLength);
    this.file = new MapFile(storage, object, baseLength);
  }

  get complete(): boolean {
    return this.state.has(flag.complete);
  }

  /** Marks blocks [first, last] present; their data is in the object. Costs nothing when they all were. */
  setPresent(first: number, last: number): void {
    const { state } = this;
    const end = Math.min(last, state.limitBlocks - 1);
    let absent = first;
    while (absent <= end && state.isPresent(absent)) absent++;
    if (absent > end || this.complete) return;
    const firstWord = absent >>> 5;
    const words = state.words.slice(firstWord, (end >>> 5) + 1);
    for (let block = absent; block <= end; block++) words[(block >>> 5) - firstWord]! |= 1 << (block & 31);
    state.noteMapChange();
    this.file.writeWords(words, firstWord);
    for (let i = 0; i < words.length; i++) Atomics.or(state.words, firstWord + i, words[i]!);
  }

  /** Records a greater length; the object already has it. */
  lengthen(length: number): void {
    const { state } = this;
    if (!this.complete) {
      state.noteMapChange();
      this.file.writeHeader(state, length);
    }
    state.length = length;
  }

  /**
   * Cuts the file. The object is cut before the map file says so: a load takes the shorter of the two, so that a kill in
   * between finishes the truncate. Readers learn the length first of all, so that a short read tells them why.
   * @throws the storage's error when the object could not be cut; then nothing has changed.
   */
  shorten(length: number): void {
    const { state } = this;
    const { length: oldLength, baseLimit: oldLimit } = state;
    state.noteDataChange();
    state.noteMapChange();
    state.length = length;
    state.baseLimit = Math.min(oldLimit, length);
    try {
      this.#storage.ftruncate(this.#object.objectFd, length);
    } catch (error) {
      state.length = oldLength;
      state.baseLimit = oldLimit;
      throw error;
    }
    if (this.complete) return;
    try {
      this.file.writeHeader(state);
    } catch {
      // The file is cut, so this is no failure. But the map file must catch up before the file may grow again.
      this.repair();
    }
  }

  /** After a failure: bring object size and map file back to what memory says, now or before the next mutation. */
  repair(): void {
    this.state.raise(flag.unsettled);
    try {
      this.settle();
    } catch {
      // Stays unsettled; the next mutation or snapshot tries again, and fails if this still does.
    }
  }

  /** Does what a failed mutation left to be repaired. @throws the storage's error; then nothing else may be changed. */
  settle(): void {
    const { state } = this;
    if (!state.has(flag.unsettled)) return;
    this.#storage.ftruncate(this.#object.objectFd, state.length);
    if (!this.complete) this.file.writeCurrent(state);
    state.lower(flag.unsettled);
  }
}
