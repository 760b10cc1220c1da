// Reads files of a mount into the kernel's page cache without keeping the mount in use: a file is open for the moment in
// which the kernel is asked for it, never while its bytes are on their way. So an unmount finds nobody, whatever reads.

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCached, willNeed } from '../../sys/page-cache.js';
import type { Part, Warmer } from './hot-files.js';

/** What the kernel takes at a time. */
const CHUNK = 128 * 1024;
/** Chunks under way: a mount has up to 24 data threads, and the server on it wants some of them. */
const UNDER_WAY = 16;
/** Of one file: larger catalogs are no longer what every query needs as a whole. */
const MOST_OF_ONE = 32 * 2 ** 20;
/** Of all files: more would drive other things out of the page cache. */
const MOST = 256 * 2 ** 20;
const POLL_MS = 3;
/** The oldest chunk comes first as a rule; from then on the others are looked at too. */
const LATE_MS = 200;
/** What has not come by then, as a block that cannot be read, is given up. */
const PATIENCE_MS = 60_000;

interface Chunk {
  readonly path: string;
  /** Offset of its last byte. */
  readonly last: number;
  readonly begun: number;
}

/** The mount has gone from its directory. */
export class MountGone extends Error {}

export class CacheWarmer implements Warmer {
  readonly seen = { files: 0, bytes: 0 };
  readonly #root: string;
  readonly #device: number;
  /** Oldest first. */
  readonly #underWay: Chunk[] = [];
  readonly #done = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    this.#device = statSync(root).dev;
  }

  async want({ path, from = 0, to = MOST_OF_ONE }: Part): Promise<void> {
    const name = `${path} ${from}`;
    if (this.#done.has(name)) return;
    this.#done.add(name);
    const end = Math.min(to, from + MOST_OF_ONE, this.#size(path));
    if (end <= from) return;
    this.seen.files++;
    for (let at = from; at < end && this.seen.bytes < MOST; at += CHUNK) {
      const length = Math.min(CHUNK, end - at);
      while (this.#underWay.length >= UNDER_WAY) await this.#oneLess();
      this.#use(path, (fd) => willNeed(fd, at, length));
      this.#underWay.push({ path, last: at + length - 1, begun: Date.now() });
      this.seen.bytes += length;
    }
  }

  async content(path: string): Promise<Buffer> {
    await this.want({ path });
    while (this.#underWay.some((chunk) => chunk.path === path)) await this.#oneLess();
    const bytes = Buffer.allocUnsafe(Math.min(this.#size(path), MOST_OF_ONE));
    const length = this.#use(path, (fd) => readSync(fd, bytes, 0, bytes.length, 0)) ?? 0;
    return bytes.subarray(0, length);
  }

  /** Waits until everything has come. */
  async settle(): Promise<void> {
    while (this.#underWay.length > 0) await this.#oneLess();
  }

  /** Waits until one chunk less is under way. */
  async #oneLess(): Promise<void> {
    for (;;) {
      const age = Date.now() - this.#underWay[0]!.begun;
      const asked = age < LATE_MS ? 1 : this.#underWay.length;
      const at = age > PATIENCE_MS ? 0 : this.#underWay.slice(0, asked).findIndex((chunk) => this.#hasCome(chunk));
      if (at >= 0) {
        this.#underWay.splice(at, 1);
        return;
      }
      await sleep(POLL_MS);
    }
  }

  #hasCome({ path, last }: Chunk): boolean {
    return this.#use(path, (fd) => isCached(fd, last)) !== false;
  }

  /** 0 for what is no file, or is not there. */
  #size(path: string): number {
    const found = statSync(join(this.#root, path), { throwIfNoEntry: false });
    return found?.isFile() ? found.size : 0;
  }

  /** undefined where there is no such file. */
  #use<T>(path: string, use: (fd: number) => T): T | undefined {
    let fd: number;
    try {
      fd = openSync(join(this.#root, path), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (statSync(this.#root).dev !== this.#device) throw new MountGone();
      return undefined;
    }
    try {
      if (fstatSync(fd).dev !== this.#device) throw new MountGone();
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }
}
