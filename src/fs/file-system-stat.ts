// What statfs says of a mount.

import { type StatsFs, statfsSync } from 'node:fs';
import { BLCKSZ } from '../backup/index.js';
import type { Overlay } from '../overlay/overlay.js';

export type FileSystemNumbers = Readonly<Pick<StatsFs, 'blocks' | 'bfree' | 'bavail' | 'files' | 'ffree' | 'bsize'>>;

/** Block size of a read-only mount, in bytes. */
const READ_ONLY_BLOCK = 4096;

export class FileSystemStat {
  readonly #overlay: Pick<Overlay, 'budget' | 'totalBytes'>;
  readonly #diff: string | null;
  #full: FileSystemNumbers | undefined;

  /** @param diff its directory; null: read-only */
  constructor(overlay: Pick<Overlay, 'budget' | 'totalBytes'>, diff: string | null) {
    this.#overlay = overlay;
    this.#diff = diff;
  }

  /** The figures as they are now. @throws what statfs(2) of the diff throws */
  now(): FileSystemNumbers {
    if (this.#diff !== null) return this.#limited(statfsSync(this.#diff));
    this.#full ??= fullWith(this.#overlay.totalBytes());
    return this.#full;
  }

  /** What is free in the diff's file system, as far as the limit lets it be used. */
  #limited(stat: StatsFs): FileSystemNumbers {
    const { limit, blocks } = this.#overlay.budget;
    if (limit === 0) return stat;
    const scale = BLCKSZ / stat.bsize;
    const free = Math.floor(Math.max(0, limit - blocks) * scale);
    const { files, ffree, bsize } = stat;
    const [bfree, bavail] = [Math.min(stat.bfree, free), Math.min(stat.bavail, free)];
    return { blocks: Math.floor(limit * scale), bfree, bavail, files, ffree, bsize };
  }
}

/** A read-only mount is as large as its files, and has no room. */
function fullWith(bytes: number): FileSystemNumbers {
  const blocks = Math.ceil(bytes / READ_ONLY_BLOCK);
  return { blocks, bfree: 0, bavail: 0, files: 0, ffree: 0, bsize: READ_ONLY_BLOCK };
}
