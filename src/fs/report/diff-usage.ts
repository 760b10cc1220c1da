// How much disk space a diff takes, looked at now and then: a diff may have very many files.

import type { Stats } from 'node:fs';
import { lstat, opendir, statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Usage {
  /** Disk space of all files of the diff. */
  readonly bytes: number;
  /** Files that have data in the diff. */
  readonly objects: number;
  readonly filesystemBytes: number;
  readonly filesystemFreeBytes: number;
}

/** For how long a result counts as recent, and how long somebody who asks waits for a new one, in ms. */
const FRESH = 30_000;
const PATIENCE = 500;

export class DiffUsage {
  readonly #diff: string;
  #last: Usage | undefined;
  #taken = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(diff: string) {
    this.#diff = diff;
  }

  /** The last result, a new one where that is old and disks are quick; undefined until there is one. Never throws. */
  async recent(): Promise<Usage | undefined> {
    if (performance.now() - this.#taken > FRESH) {
      // One look at a time: the disk may hang.
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
      await Promise.race([this.#looking, sleep(PATIENCE, undefined, { ref: false })]);
    }
    return this.#last;
  }

  async #look(): Promise<void> {
    try {
      const all = await this.#sum(this.#diff);
      const { bsize, blocks, bavail } = await statfs(this.#diff);
      this.#last = { ...all, filesystemBytes: blocks * bsize, filesystemFreeBytes: bavail * bsize };
      this.#taken = performance.now();
    } catch {
      // The next one who asks tries again.
    }
  }

  async #sum(directory: string): Promise<{ bytes: number; objects: number }> {
    let bytes = 0;
    let objects = 0;
    const inObjects = directory !== this.#diff;
    for await (const entry of await opendir(directory)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) {
        if (inObjects || entry.name !== 'objects') continue;
        const below = await this.#sum(path);
        bytes += below.bytes;
        objects += below.objects;
      } else if (entry.isFile()) {
        const stats = await lstatIfThere(path);
        bytes += (stats?.blocks ?? 0) * 512;
        if (stats !== undefined && inObjects && !entry.name.endsWith('.map')) objects++;
      }
    }
    return { bytes, objects };
  }
}

/** Files come and go while a directory is read. */
async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
}
