// Reads files of a mount into the kernel's page cache without keeping the mount in use: a file is open for the moment in
// which the kernel is asked for it, never while its bytes are on their way. Names are looked up a directory at a time,
// because each look-up keeps the mount in use for as long as it takes.

import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
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
/** Between two looks at the oldest chunk: an eighth of its age, in these bounds, so that the looks themselves are rare. */
const [POLL_LEAST_MS, POLL_MOST_MS] = [2, 50];
/** What has not come by then, as a block that cannot be read, is given up. */
const PATIENCE_MS = 20_000;

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
  /** Of directories that were listed. */
  readonly #names = new Map<string, ReadonlySet<string>>();

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
      this.#underWay.push({ path, last: at + length - 1, begun: performance.now() });
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
    const { path, last, begun } = this.#underWay[0]!;
    for (let age = 0; age < PATIENCE_MS; age = performance.now() - begun) {
      if (this.#use(path, (fd) => isCached(fd, last)) !== false) break;
      await sleep(Math.min(Math.max(age / 8, POLL_LEAST_MS), POLL_MOST_MS));
    }
    this.#underWay.shift();
  }

  list(directory: string): ReadonlySet<string> {
    let names = this.#names.get(directory);
    if (names === undefined) {
      names = new Set(namesIn(join(this.#root, directory)));
      this.#names.set(directory, names);
    }
    return names;
  }

  /** 0 for what is no file, or is not there. */
  #size(path: string): number {
    const directory = dirname(path);
    if (!this.list(directory === '.' ? '' : directory).has(basename(path))) return 0;
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

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
