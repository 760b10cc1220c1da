// Keeps the journal of a live mount short: PostgreSQL makes and removes temporary files all day, and each leaves records.

import { withLock } from '../pending/mutex.js';
import type { Journal } from './diff/index.js';
import { encodeRecords, type JournalRecord } from './namespace/records.js';
import { control } from './shared/shared-state.js';

/** Below this a journal is not worth the work, in bytes. */
const COMPACT_FROM = 8 << 20;
/** How many times its shortest form it may grow to. */
const GROWTH = 4;

/** What is needed of a journal. */
type CompactedJournal = Pick<Journal, 'size' | 'appended' | 'isNameDurable' | 'rewrite'>;

export interface CompactorOptions {
  journal: CompactedJournal;
  /** the control block of the shared state */
  words: Int32Array;
  /** makes the names of all objects durable */
  syncObjects(): void;
  /** records that lead from the bare backup to the present state of a mount that goes on */
  snapshot(): Iterable<JournalRecord>;
  warn(message: string): void;
  /** bytes; for tests */
  compactFrom?: number;
}

/** Lives in the namespace thread, which is the only one to append. */
export class JournalCompactor {
  readonly #options: CompactorOptions;
  #dueAt: number;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#dueAt = this.#after(options.journal.size);
  }

  /**
   * Rewrites the journal if it has grown enough. Everything it says is durable afterwards. A failure is only reported:
   * the journal is as good as before, unless nobody knows whether its new name is durable; then every fsync fails from
   * now on, as after any other failed sync.
   */
  runIfDue(): void {
    const { journal, words, warn } = this.#options;
    if (journal.size < this.#dueAt) return;
    if (Atomics.load(words, control.journalFailed) !== 0 || Atomics.load(words, control.objectsFailed) !== 0) return;
    try {
      // Whoever syncs the journal meanwhile waits and then finds it done.
      withLock(words, control.journalLock, () => this.#rewrite());
      this.#dueAt = this.#after(journal.size);
    } catch (error) {
      this.#dueAt = journal.size * 2;
      warn(`the journal could not be shortened (${(error as Error).message}); it goes on growing`);
    }
  }

  #rewrite(): void {
    const { journal, words, syncObjects, snapshot } = this.#options;
    // No record may become durable before the object it speaks of.
    syncObjects();
    try {
      journal.rewrite(encodeRecords(snapshot()));
    } catch (error) {
      if (!journal.isNameDurable) Atomics.store(words, control.journalFailed, 1);
      throw error;
    } finally {
      Atomics.store(words, control.journalAppended, journal.appended | 0);
    }
    Atomics.store(words, control.journalSynced, journal.appended | 0);
  }

  #after(size: number): number {
    return Math.max(this.#options.compactFrom ?? COMPACT_FROM, size * GROWTH);
  }
}
