// Looks every few seconds, and when a reader met bytes it cannot trust, whether the mounted chain is still the same.

import { type Chain, type ChainChange, ChainWatch, chainChanges } from '../backup/index.js';
import type { Logger } from '../log.js';

const INTERVAL_MS = 3000;

/** Lives in the control thread. */
export class ChainSentry {
  readonly #chain: Chain;
  readonly #log: Logger;
  readonly #report: (change: ChainChange | null) => void;
  readonly #watch: ChainWatch;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;
  #change: ChainChange | null = null;
  #blind = false;

  /**
   * Remembers the chain as it is now; made before anybody reads it.
   * @param report told when the chain turns out to be changed, and when that was a mistake (a catalog away for a while)
   */
  constructor(chain: Chain, log: Logger, report: (change: ChainChange | null) => void) {
    this.#chain = chain;
    this.#log = log;
    this.#report = report;
    this.#watch = ChainWatch.start(chain);
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks now. While a look is under way (its file system may hang) one more is noted down. */
  look(): void {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    this.#watch
      .check()
      .then((change) => this.#seen(change))
      .catch((error: Error) => this.#cannotLook(error))
      .finally(() => {
        this.#looking = false;
        if (!this.#again) return;
        this.#again = false;
        this.look();
      });
  }

  #seen(change: ChainChange | null): void {
    this.#blind = false;
    if (change?.layer === this.#change?.layer && change?.kind === this.#change?.kind) return;
    this.#change = change;
    this.#report(change);
    if (change === null) {
      this.#log.info('the chain is again what it was; it is served again');
      return;
    }
    const backup = this.#chain.members[change.layer]!.id;
    this.#log.error(`backup ${backup} was changed under the mount: ${chainChanges[change.kind]}`, {
      backup,
      consequence: 'blocks that only the backup has are answered with EIO',
    });
  }

  #cannotLook(error: Error): void {
    if (this.#blind) return;
    this.#blind = true;
    this.#log.warn(`cannot see whether the chain is still the same: ${error.message}`);
  }
}
