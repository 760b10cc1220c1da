// The block indexes of all files in the shared arena: made by the first thread that needs one, used by all without a
// lock, and evicted when they take more memory than --cache-size.
//
//   none ── first thread ──▶ building ──▶ ready ── no thread uses it ──▶ evicting ──▶ none
//                                           ▲───── a thread uses it ───────┘
//
// Why no thread ever reads memory that was given away: a reader first says in its own word which row it uses (enter),
// then loads the row's state. An evictor first changes the state, then looks at all words. All four are sequentially
// consistent, so of two that meet at least one sees the other: either the reader sees that the index is not `ready` and
// waits, or the evictor sees the reader and puts `ready` back. Where an index lies is read after its state, and views
// that a thread has kept are used only if they are of that place. test/overlay/shared/index-model.test.ts looks at
// every interleaving.
//
// An evictor never waits while it evicts, and a builder never waits for another row: nobody waits in a circle.

import { Arena } from './arena.js';
import type { FileTable } from './file-table.js';
import { IndexUsers } from './index-users.js';
import { double, indexState, word } from './row-layout.js';
import { control, type SharedState } from './shared-state.js';

/** Where an index lies in the arena. */
export interface IndexPlace {
  /** u32 offsets, then u32 infos */
  readonly offset: number;
  /** u16 checksums */
  readonly checksums: number;
}

/** One thread's access. */
export class IndexCache {
  readonly #table: FileTable;
  readonly #arena: Arena;
  readonly #control: Int32Array;
  readonly #users: IndexUsers;
  readonly #evicted: () => void;

  /** @param evicted told of every index that this thread evicts */
  constructor(shared: SharedState, evicted: () => void = () => undefined) {
    this.#table = shared.table;
    this.#arena = shared.arena;
    this.#control = shared.control;
    this.#users = new IndexUsers(shared.buffers.indexUsers);
    this.#evicted = evicted;
  }

  /**
   * Begins to use the index of `row`; `leave` ends that, whatever happens between. True: it is there, and stays until
   * then. False: the caller must make it, and then call `publish` or `abandon`; others wait for that.
   */
  enter(row: number): boolean {
    const { words } = this.#table;
    const at = this.#table.wordBase(row) + word.indexState;
    this.#users.enter(row);
    for (;;) {
      const state = Atomics.load(words, at);
      if (state === indexState.ready) {
        // For whom to evict: a plain store of one that has not been set since the hand came by.
        if (words[at + USED] === 0) words[at + USED] = 1;
        return true;
      }
      if (state !== indexState.none) Atomics.wait(words, at, state);
      else if (Atomics.compareExchange(words, at, state, indexState.building) === state) return false;
    }
  }

  leave(): void {
    this.#users.leave();
  }

  /** Memory for an index of so many blocks; others are evicted for it. It may still exceed the limit by what is in use. */
  allocate(blocks: number): IndexPlace {
    Atomics.add(this.#control, control.indexUnits, unitsOf(blocks));
    this.#shrink();
    let offset: number | undefined;
    try {
      offset = this.#arena.allocate(blocks * 8);
      return { offset, checksums: this.#arena.allocate(blocks * 2) };
    } catch (error) {
      if (offset !== undefined) this.#arena.free(offset, blocks * 8);
      Atomics.sub(this.#control, control.indexUnits, unitsOf(blocks));
      throw error;
    }
  }

  /** The index that this thread makes is complete. */
  publish(row: number, blocks: number, { offset, checksums }: IndexPlace): void {
    const table = this.#table;
    table.setDouble(row, double.indexOffset, offset);
    table.setDouble(row, double.checksumOffset, checksums);
    table.set(row, word.indexBlocks, blocks);
    table.set(row, word.indexUsed, 1);
    for (let high = Atomics.load(this.#control, control.indexHighRow); high < row; ) {
      const seen = Atomics.compareExchange(this.#control, control.indexHighRow, high, row);
      if (seen === high) break;
      high = seen;
    }
    this.#become(row, indexState.ready);
  }

  /** This thread could not make it; its memory, if it has any, goes back. The next one that needs it tries again. */
  abandon(row: number, blocks: number, place: IndexPlace | undefined): void {
    if (place !== undefined) this.#free(blocks, place);
    this.#become(row, indexState.none);
  }

  /** Frees the index of a row that the kernel has forgotten: no thread uses it, but one may be evicting it. */
  release(row: number): void {
    const { words } = this.#table;
    const at = this.#table.wordBase(row) + word.indexState;
    while (!this.#evict(row)) {
      if (Atomics.load(words, at) !== indexState.evicting) return;
      Atomics.wait(words, at, indexState.evicting);
    }
  }

  /** The thread reads no more. */
  close(): void {
    this.#users.close();
  }

  /** Evicts until the limit is kept or all that is left is in use; the hand goes round twice at most. */
  #shrink(): void {
    const limit = Atomics.load(this.#control, control.indexLimit);
    if (limit === 0) return;
    const rows = Atomics.load(this.#control, control.indexHighRow);
    for (let steps = 2 * rows; steps > 0 && Atomics.load(this.#control, control.indexUnits) > limit; steps--) {
      const row = 1 + ((Atomics.add(this.#control, control.indexHand, 1) >>> 0) % rows);
      if (this.#table.get(row, word.indexState) !== indexState.ready) continue;
      // A second chance for what was used since the hand was here.
      if (Atomics.exchange(this.#table.words, this.#table.wordBase(row) + word.indexUsed, 0) === 1) continue;
      if (this.#evict(row)) this.#evicted();
    }
  }

  /** @returns false where there is no index, or a thread uses it */
  #evict(row: number): boolean {
    const { ready, evicting } = indexState;
    const at = this.#table.wordBase(row) + word.indexState;
    if (Atomics.compareExchange(this.#table.words, at, ready, evicting) !== ready) return false;
    if (this.#users.has(row)) {
      this.#become(row, ready);
      return false;
    }
    this.#free(this.#table.get(row, word.indexBlocks), {
      offset: this.#table.getDouble(row, double.indexOffset),
      checksums: this.#table.getDouble(row, double.checksumOffset),
    });
    this.#become(row, indexState.none);
    return true;
  }

  #free(blocks: number, { offset, checksums }: IndexPlace): void {
    this.#arena.free(offset, blocks * 8);
    this.#arena.free(checksums, blocks * 2);
    Atomics.sub(this.#control, control.indexUnits, unitsOf(blocks));
  }

  #become(row: number, state: number): void {
    const at = this.#table.wordBase(row) + word.indexState;
    Atomics.store(this.#table.words, at, state);
    Atomics.notify(this.#table.words, at);
  }
}

/** From the state's word to the one that says whether the index was used. */
const USED = word.indexUsed - word.indexState;

function unitsOf(blocks: number): number {
  return Arena.units(blocks * 8) + Arena.units(blocks * 2);
}
