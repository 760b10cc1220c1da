// Early writeback (see overlay/data/unflushed.ts) of files that the kernel writes by itself: nobody counts what it writes,
// so their objects are looked at while they are open for writing.

import { stat } from 'node:fs/promises';
import { WRITEBACK_AFTER } from '../overlay/data/unflushed.js';

/** ms between two looks. PostgreSQL's bulk operations write some 100 MB/s: what an fsync then finds is soon written. */
const LOOK_EVERY = 250;
/** Part of the time that looking may take: thousands of files can be open. */
const MOST_OF_TIME = 0.05;

export class KernelWriteback {
  readonly #start: (path: string) => void;
  /** objects that are open for writing, and mtime when their writeback was last begun, in ms */
  readonly #open = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  /** @param start begins the writeback of an object and does not wait for it */
  constructor(start: (path: string) => void) {
    this.#start = start;
  }

  opened(path: string): void {
    this.#open.set(path, 0);
    if (this.#timer === null) this.#lookAfter(LOOK_EVERY);
  }

  closed(path: string): void {
    this.#open.delete(path);
    if (this.#open.size === 0) this.stop();
  }

  /** Begins the writeback of what was written since the last look, but for small files: their fsync is short anyway. */
  async look(): Promise<void> {
    for (const [path, before] of [...this.#open]) {
      // An object that is gone was unlinked: nobody will sync it.
      const found = await stat(path).catch(() => null);
      if (found === null || found.size < WRITEBACK_AFTER || found.mtimeMs === before) continue;
      if (this.#open.has(path)) this.#open.set(path, found.mtimeMs);
      this.#start(path);
    }
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #lookAfter(ms: number): void {
    const timer = setTimeout(async () => {
      const begun = performance.now();
      await this.look();
      if (this.#timer === timer) this.#lookAfter(Math.max(LOOK_EVERY, (performance.now() - begun) / MOST_OF_TIME));
    }, ms).unref();
    this.#timer = timer;
  }
}
