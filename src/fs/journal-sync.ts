// Syncing the journal off the thread that has names to answer, while a disk takes its time.

import { close, fdatasync, open } from 'node:fs';
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
      // Opened anew: the kernel tells each open file once of what it could not write. Were it told here of the one that
      // data threads sync, their next sync would succeed, before anybody knows of the failure.
      open(`/proc/self/fd/${Atomics.load(words, control.journalFd)}`, 'r', (fault, fd) => {
        if (fault !== null) this.#end(fault);
        else
          fdatasync(fd, (error) => {
            ended(error);
            close(fd, () => this.#end(error));
          });
      });
    });
  }

  #end(error: Error | null): void {
    this.#underWay = false;
    this.#ended(error);
  }
}
