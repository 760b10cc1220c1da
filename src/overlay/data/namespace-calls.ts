// What a data thread asks the namespace thread.

import type { FileSource } from '../../backup/index.js';

/** What a data thread needs the namespace for. Every call is finished before a ticket is taken. */
export interface NamespaceCalls {
  describe(row: number, generation: number): FileSource;
  loadDiff(row: number, generation: number): void;
  ensureObject(row: number, generation: number): void;
  /** The next files with data that was not synced; each stays known to the namespace until it is released. */
  holdUnsynced(after: number): HeldFiles;
  release(row: number, generation: number): void;
}

/** Some of the files that a sync of everything has to sync. */
export interface HeldFiles {
  /** where the next call goes on */
  readonly after: number;
  /** what comes after this was made since the call */
  readonly newest: number;
  /** none: that was all */
  readonly rows: readonly (readonly [row: number, generation: number])[];
}
