// What still comes to a data thread of a file that the kernel reads and writes by itself: changes of its length, and
// everything by handles that the kernel was not given the file for. Size and times are always the object's.

import { inTurn } from '../../pending/barrier.js';
import type { DiffBudget } from '../shared/diff-budget.js';
import type { FileTable } from '../shared/file-table.js';
import { refreshFromObject } from '../shared/object-state.js';
import { double, rowFlag } from '../shared/row-layout.js';
import type { PlainFiles } from './plain-files.js';
import type { Unflushed } from './unflushed.js';

export class PassthroughData {
  readonly #table: FileTable;
  readonly #plain: PlainFiles;
  readonly #budget: DiffBudget;
  readonly #unflushed: Unflushed;

  constructor(table: FileTable, plain: PlainFiles, budget: DiffBudget, unflushed: Unflushed) {
    this.#table = table;
    this.#plain = plain;
    this.#budget = budget;
    this.#unflushed = unflushed;
  }

  /** Makes the row say what the object says. */
  refresh(row: number, generation: number): void {
    if (!this.#table.hasFlag(row, rowFlag.object)) return;
    const look = () => this.#plain.state(row, generation);
    const grown = refreshFromObject(this.#table, row, this.#budget, look);
    if (grown > 0) this.#unflushed.wrote(row, grown);
  }

  /**
   * Runs a change of the object in its turn. The kernel's own writes need no turn: it holds the inode's lock while it asks
   * for this one.
   */
  change<T>(row: number, generation: number, change: (size: number) => T): T {
    const table = this.#table;
    return inTurn(table.words, table.barrier(row), () => {
      try {
        this.refresh(row, generation);
        return change(table.getDouble(row, double.size));
      } finally {
        table.addFlag(row, rowFlag.dirtyData);
        this.refresh(row, generation);
      }
    });
  }
}
