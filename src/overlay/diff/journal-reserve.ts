// Disk space behind the journal's end, so that on a full disk there is still room to say that files are removed.

import type { DiffStorage } from './storage.js';
import { isFull } from './storage-trouble.js';

/** What only removals may use, in bytes: some hundred records. */
const KEPT = 32 << 10;
/** Taken in addition, so that few records have to ask the file system. */
const AHEAD = 32 << 10;

export class JournalReserve {
  readonly #storage: DiffStorage;
  /** the file has its space up to here */
  #through = 0;

  constructor(storage: DiffStorage) {
    this.#storage = storage;
  }

  /**
   * Makes sure that behind a journal of `end` bytes there is the reserve.
   * @throws ENOSPC, EDQUOT: then a record that needs new space has to wait
   */
  keep(fd: number, end: number): void {
    if (this.#through - end >= KEPT) return;
    try {
      this.#take(fd, end, KEPT + AHEAD);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#take(fd, end, KEPT);
    }
  }

  /** The same as far as it can be had. */
  keepIfPossible(fd: number, end: number): void {
    try {
      this.keep(fd, end);
    } catch {
      // Whoever needs it will be told.
    }
  }

  /** The file is another one. */
  forget(): void {
    this.#through = 0;
  }

  #take(fd: number, end: number, bytes: number): void {
    this.#storage.reserve(fd, end, bytes);
    this.#through = end + bytes;
  }
}
