// The journal of a mount's diff as the namespace thread writes it, with the words of shared memory by which data threads know
// how far it is and sync it, the space that is kept for rewriting it, and its compaction.

import { coveredBySpare, isFull, type Journal, keepSpare, useSpare } from './diff/index.js';
import { type CompactorOptions, JournalCompactor } from './journal-compactor.js';
import type { NoJournal } from './namespace/read-only.js';
import { encodeRecords, type JournalRecord } from './namespace/records.js';
import { control } from './shared/shared-state.js';

export class SharedJournal {
  readonly #journal: Journal | NoJournal;
  readonly #words: Int32Array;
  readonly #diff: string | null;
  #compactor: JournalCompactor | null = null;
  /** size of the journal from which on more room is kept for its rewriting */
  #spareThrough = Number.POSITIVE_INFINITY;

  /**
   * @param words the control block of the shared state
   * @param diff its directory; null: a read-only mount has none
   */
  constructor(journal: Journal | NoJournal, words: Int32Array, diff: string | null) {
    this.#journal = journal;
    this.#words = words;
    this.#diff = diff;
  }

  /** Durable, and from now on synced by whoever needs it; it has the record with which the mount began. */
  publish(compaction: Omit<CompactorOptions, 'journal' | 'words'>): void {
    const journal = this.#journal;
    const words = this.#words;
    journal.sync();
    this.#spareThrough = coveredBySpare(journal.size);
    Atomics.store(words, control.journalFd, journal.fd);
    Atomics.store(words, control.journalAppended, journal.appended | 0);
    Atomics.store(words, control.journalSynced, journal.appended | 0);
    this.#compactor = new JournalCompactor({ journal, words, ...compaction });
  }

  /** @returns its sequence number; a rewrite does not start it anew. @throws what Journal.append throws; EROFS without a diff */
  append(payload: Uint8Array, frees: boolean): number {
    const sequence = this.#journal.append(payload, frees);
    Atomics.store(this.#words, control.journalAppended, sequence | 0);
    if (this.#journal.size > this.#spareThrough) {
      keepSpare(this.#diff!);
      this.#spareThrough = coveredBySpare(this.#journal.size);
    }
    return sequence;
  }

  /** The space that is kept is for the end now, and not taken again before it. */
  useSpare(): void {
    this.#spareThrough = Number.POSITIVE_INFINITY;
    if (this.#diff !== null) useSpare(this.#diff);
  }

  /** Sequence number up to which records are durable, whoever has synced them. */
  durable(): number {
    const { appended } = this.#journal;
    // Others sync the journal; their word counts the same records, and wraps.
    const synced = appended - ((appended - Atomics.load(this.#words, control.journalSynced)) | 0);
    this.#journal.noteSynced(synced);
    return synced;
  }

  /** Shortens the journal of a live mount when it has grown far beyond what it says. */
  compactIfDue(): void {
    this.#compactor?.runIfDue();
  }

  /** @throws the storage's error; diff_sync_failed once a sync has failed, whichever thread's, until a rewrite */
  sync(): void {
    if (Atomics.load(this.#words, control.journalFailed) !== 0) this.#journal.noteSyncFailed();
    this.#journal.sync();
  }

  rewrite(records: Iterable<JournalRecord>): void {
    this.#journal.rewrite(encodeRecords(records));
  }

  /** As rewrite, but where there is no room the journal stays, and is synced: the next mount finds the same out again. */
  rewriteAsRoomAllows(records: Iterable<JournalRecord>): void {
    try {
      this.rewrite(records);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.sync();
    }
  }

  close(): void {
    this.#journal.close();
  }
}
