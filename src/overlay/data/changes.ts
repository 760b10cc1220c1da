// What every change of a file's data has in common: the file made ready for it, its turn, and room in the diff.

import { inTurn } from '../../pending/barrier.js';
import { withoutSetId } from '../shared/attributes.js';
import { blocksOf, type DiffBudget } from '../shared/diff-budget.js';
import { double, rowFlag, rowKind, word } from '../shared/row-layout.js';
import type { SharedState } from '../shared/shared-state.js';
import type { BasedFile } from './based-file.js';
import type { BasedFiles } from './based-files.js';
import type { NamespaceCalls } from './namespace-calls.js';

export interface ChangesParts {
  readonly shared: SharedState;
  readonly namespace: NamespaceCalls;
  readonly based: BasedFiles;
  readonly budget: DiffBudget;
}

export class Changes {
  readonly #shared: SharedState;
  readonly #namespace: NamespaceCalls;
  readonly #based: BasedFiles;
  readonly #budget: DiffBudget;

  constructor({ shared, namespace, based, budget }: ChangesParts) {
    this.#shared = shared;
    this.#namespace = namespace;
    this.#based = based;
    this.#budget = budget;
  }

  /** The based file ready to be changed, or null for a plain one. @param dropSetId the change takes the set-id bits away */
  writable(row: number, generation: number, dropSetId: boolean): BasedFile | null {
    const { table } = this.#shared;
    if (dropSetId) this.#recordLossOfSetId(row, generation);
    if (table.get(row, word.kind) !== rowKind.based) return null;
    if (!table.hasFlag(row, rowFlag.object)) this.#namespace.ensureObject(row, generation);
    return this.#based.file(row, generation);
  }

  /**
   * Runs a change in its turn, with room in the diff for data in [from, to) and for a file of `length` bytes. What a
   * failure leaves unused is given back.
   */
  run<T>(row: number, file: BasedFile | null, from: number, to: number, length: number, change: () => T): T {
    const { table } = this.#shared;
    return inTurn(table.words, table.barrier(row), () => {
      const taken = this.#growth(row, file, from, to, length);
      this.#budget.take(taken);
      try {
        return change();
      } finally {
        if (taken > 0) this.#budget.give(this.#growth(row, file, from, to, length));
        // At the end, also of a failure: a sync that takes the flag while the change runs has not seen all of it.
        table.addFlag(row, rowFlag.dirtyData);
      }
    });
  }

  #growth(row: number, file: BasedFile | null, from: number, to: number, length: number): number {
    const size = this.#shared.table.getDouble(row, double.size);
    // Zeroing does not reach beyond the end.
    if (file !== null) return file.growth(from, Math.min(to, Math.max(size, length)), length);
    return Math.max(0, blocksOf(length) - blocksOf(size));
  }

  /** Before the change itself, in the row and on record; a file seldom has any. */
  #recordLossOfSetId(row: number, generation: number): void {
    const { table } = this.#shared;
    const mode = table.get(row, word.mode);
    if (withoutSetId(mode) === mode) return;
    table.addFlag(row, rowFlag.dropSetId);
    this.#namespace.ensureObject(row, generation);
  }
}
