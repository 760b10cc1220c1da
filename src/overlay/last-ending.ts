// How the last mount of a diff ended, by what its journal says.

import type { JournalRecord } from './namespace/records.js';

export interface LastEnding {
  /** everything was synced, and the journal is the whole truth */
  readonly cleanlyClosed: boolean;
  /** the record of an object may have reached the disk, and the object, never synced, not */
  readonly cacheWasLost: boolean;
}

export const CLEAN: LastEnding = { cleanlyClosed: true, cacheWasLost: false };

/** How a journal ends: asked once all of its records have passed by. There may be millions, which nobody keeps. */
export class EndingWatch {
  #records = 0;
  #isClean = false;
  #openedIn: string | undefined;

  /** The same records. */
  *pass(records: Iterable<JournalRecord>): IterableIterator<JournalRecord> {
    for (const record of records) {
      this.#records++;
      this.#isClean = false;
      for (const change of record.changes) {
        if (change[0] === 'clean') this.#isClean = true;
        else if (change[0] === 'opened') this.#openedIn = change[1];
      }
      yield record;
    }
  }

  /**
   * @param bootId of the host now: the page cache lives as long
   * @param afterPowerLoss un-synced data may be gone although the host has not been restarted
   */
  ending(bootId: string, afterPowerLoss = false): LastEnding {
    if (this.#records === 0 || this.#isClean) return CLEAN;
    return { cleanlyClosed: false, cacheWasLost: afterPowerLoss || this.#openedIn !== bootId };
  }
}
