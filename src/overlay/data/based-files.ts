// The files of the backup that one thread has open: their descriptions, what it knows of their bases, their diffs.

import type { FileSource, PageReader } from '../../backup/index.js';
import type { Counters } from '../../metrics/counters.js';
import { double, rowFlag } from '../shared/row-layout.js';
import type { SharedState } from '../shared/shared-state.js';
import type { BaseGuard } from './base-guard.js';
import { BaseReader } from './base-reader.js';
import { BasedFile } from './based-file.js';
import type { FdCache } from './fd-cache.js';
import type { ObjectFiles } from './object-files.js';
import { MAX_FILES } from './plain-files.js';
import { type IndexContext, SharedIndex } from './shared-index.js';

export interface BasedFilesContext {
  readonly shared: SharedState;
  readonly indexes: IndexContext;
  readonly pages: PageReader;
  readonly fds: FdCache;
  readonly counters: Counters;
  readonly guard: BaseGuard;
  readonly objects: ObjectFiles;
  /** every call is finished before a ticket is taken */
  readonly namespace: {
    describe(row: number, generation: number): FileSource;
    loadDiff(row: number, generation: number): void;
  };
}

export class BasedFiles {
  readonly #context: BasedFilesContext;
  readonly #files = new Map<number, BasedFile>();

  constructor(context: BasedFilesContext) {
    this.#context = context;
  }

  /** The file of a row, with its diff as soon as it has one. */
  file(row: number, generation: number): BasedFile {
    const { shared, objects, namespace } = this.#context;
    const { table } = shared;
    let file = this.#files.get(row);
    if (file === undefined || file.generation !== generation) file = this.#open(row, generation);
    if (!file.hasDiff && table.hasFlag(row, rowFlag.object)) {
      if (table.getDouble(row, double.diffState) === 0) namespace.loadDiff(row, generation);
      const state = { buffer: shared.arena.buffer, byteOffset: table.getDouble(row, double.diffState) };
      file.useDiff(objects.diffFile(row, generation, state, file.base));
    }
    return file;
  }

  #open(row: number, generation: number): BasedFile {
    const { indexes, pages, fds, counters, guard, namespace } = this.#context;
    const source = namespace.describe(row, generation);
    const index = new SharedIndex(indexes, row, source);
    const base = new BaseReader(row, source, index, pages, fds, counters, guard);
    this.#files.get(row)?.close();
    const file = new BasedFile(generation, base, fds, counters);
    if (this.#files.size >= MAX_FILES) this.#dropOldest();
    this.#files.set(row, file);
    return file;
  }

  #dropOldest(): void {
    const [row, file] = this.#files.entries().next().value!;
    file.close();
    this.#files.delete(row);
  }
}
