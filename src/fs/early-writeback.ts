// Starts the writeback of objects that are being written; see overlay/data/unflushed.ts. One at a time: sync_file_range(2)
// sleeps while the disk's queue is full.

import { close, open } from 'node:fs';
import { startWriteback } from '../sys/page-cache.js';

export class EarlyWriteback {
  readonly #begin: typeof startWriteback;
  readonly #waiting = new Set<string>();
  #underWay = false;

  /** @param begin how it is done; tests watch it */
  constructor(begin = startWriteback) {
    this.#begin = begin;
  }

  /** Soon, unless the file is gone by then. Errors are left to the fsync, which finds them again. */
  start(path: string): void {
    this.#waiting.add(path);
    if (!this.#underWay) this.#next();
  }

  #next(): void {
    const [path] = this.#waiting;
    this.#underWay = path !== undefined;
    if (path === undefined) return;
    this.#waiting.delete(path);
    open(path, 'r', (error, fd) => {
      if (error) this.#next();
      else this.#begin(fd, () => close(fd, () => this.#next()));
    });
  }
}
