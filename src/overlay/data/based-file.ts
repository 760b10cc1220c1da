// A file of the backup as one thread sees it: every block comes from the diff if it is there, else from the backup.

import { BLCKSZ } from '../../backup/index.js';
import { type Counters, counter } from '../../metrics/counters.js';
import type { DiffFile, Snapshot } from '../diff/index.js';
import type { BaseReader } from './base-reader.js';
import type { CachedFile, FdCache } from './fd-cache.js';
import type { OpenDiff } from './object-files.js';
import { comesWhole } from './wal-segment.js';

/** Blocks that are copied at a time. */
const COPY_BLOCKS = 32;
/** One per thread: copying is synchronous, and few files are ever copied. */
let copied: Uint8Array | undefined;

export class BasedFile {
  /** generation of the row this view was made for */
  readonly generation: number;
  readonly base: BaseReader;
  /** it comes into the diff whole, and its map is complete then */
  readonly comesWhole: boolean;
  /** the next write brings all of it into the diff first */
  wantsWhole: boolean;
  readonly #fds: FdCache;
  readonly #counters: Counters;
  #diff: DiffFile | null = null;
  #data: CachedFile | null = null;
  #map: CachedFile | null = null;

  constructor(generation: number, base: BaseReader, fds: FdCache, counters: Counters) {
    this.generation = generation;
    this.base = base;
    this.comesWhole = comesWhole(base.source);
    this.wantsWhole = this.comesWhole;
    this.#fds = fds;
    this.#counters = counters;
  }

  get hasDiff(): boolean {
    return this.#diff !== null;
  }

  useDiff({ diff, data, map }: OpenDiff): void {
    this.#diff = diff;
    this.#data = data;
    this.#map = map;
  }

  /** Gives the descriptors back. */
  close(): void {
    this.base.close();
    if (this.#data !== null) this.#fds.close(this.#data);
    if (this.#map !== null) this.#fds.close(this.#map);
  }

  /** Reads [position, position + count), which lies within the file's length. */
  read(position: number, count: number, out: Uint8Array, outOffset: number): void {
    const end = position + count;
    if (this.#diff === null) {
      this.#readBase(position, end, this.base.length, out, outOffset);
      return;
    }
    for (let at = position; at < end; ) {
      const block = Math.floor(at / BLCKSZ);
      const run = this.#diff.runOf(block, Math.ceil(end / BLCKSZ) - block);
      const to = Math.min(end, (block + run.count) * BLCKSZ);
      if (run.present) this.#readObject(at, to, out, outOffset + at - position);
      else this.#readBase(at, to, this.#diff.baseLimit(), out, outOffset + at - position);
      at = to;
    }
  }

  write(data: Uint8Array, offset: number, length: number, position: number): void {
    this.#writable().write(data, offset, length, position);
  }

  truncate(length: number): void {
    this.#writable().truncate(length);
  }

  /** Lets the file grow from `old` to `length` and reserves the space behind `from`: wholly or not at all. */
  extend(old: number, from: number, length: number): void {
    const diff = this.#writable();
    if (from > old) diff.truncate(from);
    try {
      diff.extend(length);
    } catch (error) {
      if (from > old) diff.truncate(old);
      throw error;
    }
  }

  /** Makes [from, to), which lies within the file's length, read as zeros. */
  zero(from: number, to: number): void {
    this.#writable().zeroRange(from, to);
  }

  /** Blocks that the diff will hold in addition; see {@link DiffFile.growth}. */
  growth(from: number, to: number, length: number): number {
    return this.#writable().growth(from, to, length);
  }

  /** Blocks that a truncation to `length` gives back. */
  shrinkage(length: number): number {
    return this.#writable().shrinkage(length);
  }

  snapshot(): Snapshot {
    return this.#writable().snapshot(this.comesWhole);
  }

  /** @param takeSnapshot takes one between two mutations */
  sync(takeSnapshot: () => Snapshot): void {
    const diff = this.#writable();
    if (diff.needsSync()) diff.sync(takeSnapshot());
  }

  /** Whether none of the blocks [first, end) would be read from the backup. */
  isWhollyPresent(first: number, end: number): boolean {
    if (this.#diff === null) return false;
    for (let block = first; block < end; block++) if (!this.#diff.isPresent(block)) return false;
    return true;
  }

  /** Copies those of the blocks [first, end) that only the backup has into the diff; returns how many. */
  materialize(first: number, end: number): number {
    const diff = this.#writable();
    copied ??= new Uint8Array(COPY_BLOCKS * BLCKSZ);
    let blocks = 0;
    for (let block = first; block < end; ) {
      const { present, count } = diff.runOf(block, Math.min(COPY_BLOCKS, end - block));
      const start = block * BLCKSZ;
      const held = Math.min(start + count * BLCKSZ, diff.length(), diff.baseLimit()) - start;
      if (!present && held > 0) {
        this.base.read(start, start + held, copied, 0);
        diff.write(copied, 0, held, start);
        blocks += Math.ceil(held / BLCKSZ);
      }
      block += count;
    }
    return blocks;
  }

  #writable(): DiffFile {
    if (this.#diff === null) throw new Error('a file without an object cannot be changed');
    return this.#diff;
  }

  #readBase(from: number, to: number, limit: number, out: Uint8Array, outOffset: number): void {
    const held = Math.min(to, Math.max(from, limit));
    this.base.read(from, held, out, outOffset);
    if (held < to) out.fill(0, outOffset + held - from, outOffset + to - from);
  }

  #readObject(from: number, to: number, out: Uint8Array, outOffset: number): void {
    const count = this.#fds.readAll(this.#data!, out, outOffset, to - from, from);
    // A truncate that came later may have cut the object already: what is gone reads as zeros.
    if (count < to - from) out.fill(0, outOffset + count, outOffset + to - from);
    this.#counters.add(counter.blocksFromDiff, Math.ceil(to / BLCKSZ) - Math.floor(from / BLCKSZ));
  }
}
