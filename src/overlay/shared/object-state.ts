// Rows of kind passthrough: the kernel reads and writes the file's object without asking us. What a row says of size and
// mtime is what the object said when somebody last looked; whoever needs it looks again.

import { blocksOf, type DiffBudget } from './diff-budget.js';
import type { FileTable } from './file-table.js';
import { double, word } from './row-layout.js';
import { nanosecondsOf, secondsOf } from './timestamp.js';

/** What the object says, as fs.Stats do. */
export interface ObjectState {
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * Takes over size and, if the object was written since, mtime and ctime.
 * @param look at the object. Called under the row's lock: an older look must not come after a newer one, and a size that
 *   the kernel is given must not be older than its question
 * @returns bytes by which the file has grown since somebody last looked
 */
export function refreshFromObject(table: FileTable, row: number, budget: DiffBudget, look: () => ObjectState): number {
  const { doubles, words } = table;
  const d = table.doubleBase(row);
  const w = table.wordBase(row);
  let before = 0;
  let now = 0;
  table.locked(row, () => {
    const { size, mtimeMs } = look();
    before = doubles[d + double.size]!;
    now = size;
    doubles[d + double.size] = size;
    if (mtimeMs === doubles[d + double.objectMtime]) return;
    doubles[d + double.objectMtime] = mtimeMs;
    const seconds = secondsOf(mtimeMs);
    const nsec = nanosecondsOf(mtimeMs);
    doubles[d + double.mtime] = seconds;
    words[w + word.mtimeNsec] = nsec;
    const ctime = doubles[d + double.ctime]!;
    if (seconds < ctime || (seconds === ctime && nsec < words[w + word.ctimeNsec]!)) return;
    doubles[d + double.ctime] = seconds;
    words[w + word.ctimeNsec] = nsec;
  });
  const grown = blocksOf(now) - blocksOf(before);
  // Nothing is refused: there is no passthrough with a limit.
  if (grown > 0) budget.take(grown);
  else budget.give(-grown);
  return now - before;
}

/** Row and object agree: the row's times stay as they are, whatever the object's say. */
export function agreeWithObject(table: FileTable, row: number, { mtimeMs }: ObjectState): void {
  table.locked(row, () => {
    table.doubles[table.doubleBase(row) + double.objectMtime] = mtimeMs;
  });
}
