// Blocks of the backup copied into the diff although nobody wrote them: what was read, with PBKFS_MATERIALIZE_ON_READ, and
// the rest of a WAL segment.

import { BLCKSZ } from '../../backup/index.js';
import { type Counters, counter } from '../../metrics/counters.js';
import { isFull, mapBlocks } from '../diff/index.js';
import type { DiffBudget } from '../shared/diff-budget.js';
import type { FileTable } from '../shared/file-table.js';
import { double, rowFlag } from '../shared/row-layout.js';
import type { BasedFile } from './based-file.js';
import type { Changes } from './changes.js';

export interface CopiesParts {
  readonly table: FileTable;
  readonly changes: Changes;
  readonly budget: DiffBudget;
  readonly counters: Counters;
}

/** Where there is no room for a copy, none is made. */
export class Copies {
  readonly #table: FileTable;
  readonly #changes: Changes;
  readonly #budget: DiffBudget;
  readonly #counters: Counters;

  constructor({ table, changes, budget, counters }: CopiesParts) {
    this.#table = table;
    this.#changes = changes;
    this.#budget = budget;
    this.#counters = counters;
  }

  /** Once a thread and file: what cannot be brought now stays where it is, block by block. */
  bringWhole(file: BasedFile, row: number, generation: number): void {
    file.wantsWhole = false;
    if (this.#table.hasFlag(row, rowFlag.transient)) return;
    try {
      this.bring(file, row, generation, 0, file.base.length);
    } catch {
      // A damaged segment of the backup is reported by whoever reads it; it may still be written over.
    }
  }

  /** Copies the blocks that hold `count` bytes from `position` on. */
  bring(file: BasedFile, row: number, generation: number, position: number, count: number): void {
    const first = Math.floor(position / BLCKSZ);
    const end = Math.ceil((position + count) / BLCKSZ);
    if (file.isWhollyPresent(first, end)) return;
    const table = this.#table;
    // A copy that is left out is no refusal.
    const map = table.hasFlag(row, rowFlag.object) ? 0 : mapBlocks(file.base.length);
    if (!this.#budget.hasRoom(map + end - first)) return;
    const size = table.getDouble(row, double.size);
    try {
      const writable = this.#changes.writable(row, generation, false)!;
      this.#changes.run(row, writable, position, Math.min(position + count, size), 0, () =>
        this.#counters.add(counter.blocksMaterialized, writable.materialize(first, end)),
      );
    } catch (error) {
      // No room for a copy is no reason to refuse what was asked for.
      if (!isFull(error)) throw error;
    }
  }
}
