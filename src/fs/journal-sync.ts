// Syncing the journal off the thread that has names to answer, while a disk takes its time.

import { fdatasync } from 'node:fs';
import { journalWords, syncInBackground } from '../overlay/data/group-sync.js';
import { control } from '../overlay/shared/shared-state.js';

export class JournalSync {
  readonly #words: Int32Array;
  readonly #ended: (error: Error | null) => void;
  #underWay = false;

  /**
   * @param words the control block of the shared state
   * @param ended told the outcome of each sync
   */
  constructor(words: Int32Array, ended: (error: Error | null) => void) {
    this.#words = words;
    this.#ended = ended;
  }

  /** Starts one, unless one is under way or there is nothing to sync. */
  start(): void {
    if (this.#underWay) return;
    const words = this.#words;
    this.#underWay = syncInBackground(words, journalWords, (ended) => {
      fdatasync(Atomics.load(words, control.journalFd), (error) => {
        this.#underWay = false;
        ended(error);
        this.#ended(error);
      });
    });
  }
}
