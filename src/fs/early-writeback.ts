// Starts the writeback of objects that are being written; see overlay/data/unflushed.ts. One at a time: sync_file_range(2)
// sleeps while the disk's queue is full.

import { close, open } from 'node:fs';
import { join } from 'node:path';
import { startWriteback } from '../sys/page-cache.js';

export class EarlyWriteback {
  readonly #directory: () => string;
  readonly #begin: typeof startWriteback;
  readonly #waiting = new Set<string>();
  #underWay = false;

  /** @param directory where the objects are @param begin how it is done; tests watch it */
  constructor(directory: () => string, begin = startWriteback) {
    this.#directory = directory;
    this.#begin = begin;
  }

  /** Soon, unless the object is gone by then. Errors are left to the fsync, which finds them again. */
  start(objectId: string): void {
    this.#waiting.add(objectId);
    if (!this.#underWay) this.#next();
  }

  #next(): void {
    const [id] = this.#waiting;
    this.#underWay = id !== undefined;
    if (id === undefined) return;
    this.#waiting.delete(id);
    open(join(this.#directory(), id), 'r', (error, fd) => {
      if (error) this.#next();
      else this.#begin(fd, () => close(fd, () => this.#next()));
    });
  }
}
