// Open files of one thread: at most `limit` descriptors, the least recently used is closed first.
//
// Every data thread has a cache of its own. A descriptor is therefore never closed while another thread reads
// through it, and no pin or generation has to protect it.

import { closeSync, openSync } from 'node:fs';
import { SteadyMemory } from '../../sys/steady-memory.js';

/** A file that is open or can be opened again. */
export class CachedFile {
  readonly path: Buffer;
  readonly flags: number;
  fd = -1;
  used = 0;
  /** how often it was opened: what a path leads to may be another file each time */
  opened = 0;
  readonly #lost: () => void;

  /** @param lost told when close(2) fails: NFS says then, and to no later sync, that it has lost what was written */
  constructor(path: Buffer, flags: number, lost: () => void = () => undefined) {
    this.path = path;
    this.flags = flags;
    this.#lost = lost;
  }

  /** Closes it, if it is open. Whoever needs the room has not written it: no failure is theirs. */
  close(): void {
    const { fd } = this;
    if (fd < 0) return;
    // Also when close(2) fails the number is free, and may be another file's from now on.
    this.fd = -1;
    try {
      closeSync(fd);
    } catch {
      this.#lost();
    }
  }
}

export interface FdCacheCounters {
  hit(): void;
  miss(): void;
}

export class FdCache {
  readonly #open = new Set<CachedFile>();
  readonly #limit: number;
  readonly #counters: FdCacheCounters;
  readonly #memory = new SteadyMemory();
  #clock = 0;

  constructor(limit: number, counters: FdCacheCounters) {
    this.#limit = limit;
    this.#counters = counters;
  }

  /** The descriptor of a file, opened if need be. Valid until the next call. */
  fd(file: CachedFile): number {
    file.used = ++this.#clock;
    if (file.fd >= 0) {
      this.#counters.hit();
      return file.fd;
    }
    this.#counters.miss();
    if (this.#open.size >= this.#limit) this.#closeLeastRecentlyUsed();
    file.fd = openSync(file.path, file.flags);
    file.opened++;
    this.#open.add(file);
    return file.fd;
  }

  /** pread(2) until `count` bytes are there or the file ends; returns how many there are. */
  readAll(file: CachedFile, out: Uint8Array, outOffset: number, count: number, position: number): number {
    return this.#memory.preadAll(this.fd(file), out, outOffset, count, position);
  }

  close(file: CachedFile): void {
    this.#open.delete(file);
    file.close();
  }

  closeAll(): void {
    for (const file of this.#open) this.close(file);
  }

  #closeLeastRecentlyUsed(): void {
    let oldest: CachedFile | undefined;
    for (const file of this.#open) if (oldest === undefined || file.used < oldest.used) oldest = file;
    if (oldest !== undefined) this.close(oldest);
  }
}
