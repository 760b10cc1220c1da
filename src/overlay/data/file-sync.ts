// Making durable what was written, as every data thread does it: of one file, of all, of names.

import { fdatasyncSync, fsyncSync } from 'node:fs';
import { inTurn, waitForEarlierMutations } from '../../pending/barrier.js';
import { withLock } from '../../pending/mutex.js';
import { failedBefore } from '../diff/index.js';
import { rowFlag, rowKind, word } from '../shared/row-layout.js';
import { control, type SharedState } from '../shared/shared-state.js';
import type { BasedFiles } from './based-files.js';
import { journalWords, objectsWords, syncUpToNow } from './group-sync.js';
import type { NamespaceCalls } from './namespace-calls.js';
import type { PlainFiles } from './plain-files.js';
import type { Unflushed } from './unflushed.js';

export interface FileSyncParts {
  readonly shared: SharedState;
  readonly namespace: NamespaceCalls;
  readonly based: BasedFiles;
  readonly plain: PlainFiles;
  readonly unflushed: Unflushed;
}

export class FileSync {
  readonly #parts: FileSyncParts;

  constructor(parts: FileSyncParts) {
    this.#parts = parts;
  }

  /** See DataEngine.sync. */
  file(row: number, generation: number): void {
    if (this.#parts.shared.table.hasFlag(row, rowFlag.transient)) return;
    this.#data(row, generation);
    this.names();
  }

  /** See DataEngine.syncAll. */
  all(): void {
    const { namespace } = this.#parts;
    let failure: unknown;
    // What is made meanwhile nobody has asked for: whoever goes on making files must not keep this from ending.
    let newest = Number.POSITIVE_INFINITY;
    for (let after = 0; after < newest; ) {
      const held = namespace.holdUnsynced(after);
      newest = Math.min(newest, held.newest);
      if (held.rows.length === 0) break;
      for (const [row, generation] of held.rows) {
        try {
          this.#data(row, generation);
        } catch (error) {
          failure ??= error;
        }
        namespace.release(row, generation);
      }
      after = held.after;
    }
    try {
      this.names();
    } catch (error) {
      throw failure ?? error;
    }
    if (failure !== undefined) throw failure;
  }

  /** See DataEngine.syncNames. */
  names(): void {
    const words = this.#parts.shared.control;
    syncUpToNow(words, objectsWords, () => fsyncSync(Atomics.load(words, control.objectsFd)));
    syncUpToNow(words, journalWords, () => fdatasyncSync(Atomics.load(words, control.journalFd)));
  }

  #data(row: number, generation: number): void {
    const { based, plain, unflushed } = this.#parts;
    const { table } = this.#parts.shared;
    const words = table.words;
    waitForEarlierMutations(words, table.barrier(row));
    if (table.hasFlag(row, rowFlag.object)) {
      const kind = table.get(row, word.kind);
      const file = kind === rowKind.based ? based.file(row, generation) : null;
      withLock(words, table.wordBase(row) + word.syncLock, () => {
        // Nothing later can prove that the data is durable.
        if (table.hasFlag(row, rowFlag.syncFailed)) throw failedBefore('this file');
        // What the kernel writes by itself nobody tells: that flag stays.
        if (kind !== rowKind.passthrough && !table.takeFlag(row, rowFlag.dirtyData)) return;
        unflushed.synced(row);
        try {
          if (file === null) plain.sync(row, generation);
          else file.sync(() => inTurn(words, table.barrier(row), () => file.snapshot()));
        } catch (error) {
          table.addFlag(row, rowFlag.dirtyData);
          throw error;
        }
      });
    }
  }
}
