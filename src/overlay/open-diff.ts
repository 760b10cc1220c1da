// The diff of an overlay: its objects and its journal opened.

import { mkdirSync } from 'node:fs';
import { type DiffStorage, Journal, type RawRecord, refusedByStorage, refuseLostJournal } from './diff/index.js';
import { ObjectKeeper } from './namespace/object-keeper.js';
import { NoJournal, NoObjects } from './namespace/read-only.js';
import type { DiffBudget } from './shared/diff-budget.js';
import type { SharedState } from './shared/shared-state.js';

export interface OpenDiff {
  readonly objects: ObjectKeeper | NoObjects;
  readonly journal: Journal | NoJournal;
  /** what earlier mounts wrote down */
  readonly records: readonly RawRecord[];
}

/**
 * @param diff its directory, which is locked; null: a read-only mount has none
 * @throws PbkfsError diff_damaged, diff_full
 */
export function openDiff(
  diff: string | null,
  storage: DiffStorage,
  shared: SharedState,
  bootId: string,
  budget: DiffBudget,
): OpenDiff {
  if (diff === null) return { objects: new NoObjects(), journal: new NoJournal(), records: [] };
  const directory = `${diff}/objects`;
  refuseLostJournal(diff);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const objects = new ObjectKeeper(storage, directory, shared, bootId, budget);
    return { objects, ...Journal.open(storage, `${diff}/journal`) };
  } catch (error) {
    throw refusedByStorage(diff, error);
  }
}
