// Keeps a mounted chain locked for as long as the mount lives, also when the process that holds the locks is killed.

import type { Chain } from '../../backup/index.js';
import type { Logger } from '../../log.js';
import { type ChainLock, lockChain } from './chain-lock.js';

const RETRY_MS = 5000;

export class ChainKeeper {
  readonly #chain: Chain;
  readonly #log: Logger;
  #lock: ChainLock;
  #lost = false;
  #released = false;

  private constructor(chain: Chain, log: Logger, lock: ChainLock) {
    this.#chain = chain;
    this.#log = log;
    this.#lock = lock;
  }

  /** Locks the chain. @throws PbkfsError chain_busy when somebody is changing one of its backups */
  static async lock(chain: Chain, log: Logger): Promise<ChainKeeper> {
    const keeper = new ChainKeeper(chain, log, await lockChain(chain));
    for (const warning of keeper.#lock.warnings) log.warn(warning);
    keeper.#follow();
    return keeper;
  }

  /** What is not locked, and why. */
  get warnings(): readonly string[] {
    return this.#lock.warnings;
  }

  /** Whether every backup of the chain is locked now. */
  get held(): boolean {
    const { holder, warnings } = this.#lock;
    return holder !== undefined && warnings.length === 0 && !this.#lost && !this.#released;
  }

  /** One line for the status file. */
  get description(): string {
    const { holder, warnings } = this.#lock;
    const held = holder === undefined ? 'none' : `held by process ${holder}`;
    return [held, ...warnings].join('; ');
  }

  /** Takes the locks off. Never throws. */
  async release(): Promise<void> {
    this.#released = true;
    await this.#lock.release();
  }

  #follow(): void {
    this.#lock.lost.then(() => {
      if (this.#released) return;
      this.#lost = true;
      this.#log.error('the process that locks the backups has ended; locking them again');
      void this.#lockAgain();
    });
  }

  async #lockAgain(): Promise<void> {
    try {
      const lock = await lockChain(this.#chain);
      if (this.#released) {
        await lock.release();
        return;
      }
      this.#lock = lock;
      this.#lost = false;
      this.#log.info('the backups are locked again', { holder: lock.holder });
      this.#follow();
    } catch (error) {
      this.#log.error('the backups are not locked', { error: (error as Error).message });
      setTimeout(() => {
        if (!this.#released) void this.#lockAgain();
      }, RETRY_MS).unref();
    }
  }
}
