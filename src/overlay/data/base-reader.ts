// Reads the backup's content of one file, for one thread: raw copies directly, datafiles through their block index.

import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { BLCKSZ, type FileSource, type PageReader, type RawSource, type StreamPart } from '../../backup/index.js';
import { SystemError } from '../../errors.js';
import { type Counters, counter } from '../../metrics/counters.js';
import { READ_PLAIN } from '../../sys/plain-file.js';
import type { BaseGuard } from './base-guard.js';
import { CachedFile, type FdCache } from './fd-cache.js';
import type { SharedIndex } from './shared-index.js';

export class BaseReader {
  readonly source: FileSource;
  /** bytes of the file in the backup */
  readonly length: number;
  readonly #row: number;
  readonly #guard: BaseGuard;
  readonly #files: CachedFile[];
  /** for each file: which of its openings the guard has looked at */
  readonly #looked: number[];
  readonly #fds: FdCache;
  readonly #counters: Counters;
  readonly #pages: PageReader;
  readonly #index: SharedIndex;
  /** the last page that was needed in part; the kernel may ask for the other half next */
  #page: Uint8Array | null = null;
  #pageBlock = -1;
  readonly #fdOf = (part: StreamPart): number => this.#fd(this.#layerIndex(part));

  /** @param index the file's block index; used only for datafiles with blocks */
  constructor(
    row: number,
    source: FileSource,
    index: SharedIndex,
    pages: PageReader,
    fds: FdCache,
    counters: Counters,
    guard: BaseGuard,
  ) {
    this.#row = row;
    this.#guard = guard;
    this.source = source;
    this.length = source.kind === 'raw' ? source.size : source.length;
    const paths =
      source.kind === 'raw' ? (source.file === null ? [] : [source.file]) : source.layers.map((l) => l.file);
    this.#files = paths.map((path) => new CachedFile(Buffer.from(path, 'latin1'), READ_PLAIN));
    this.#looked = paths.map(() => 0);
    this.#fds = fds;
    this.#counters = counters;
    this.#pages = pages;
    this.#index = index;
  }

  /** Gives the descriptors back. */
  close(): void {
    for (const file of this.#files) this.#fds.close(file);
  }

  /** One whole block, zero-padded behind the end of the file. */
  readBlock(block: number, out: Uint8Array, outOffset: number): void {
    const from = block * BLCKSZ;
    this.read(from, Math.min(from + BLCKSZ, Math.max(from, this.length)), out, outOffset);
    const held = Math.max(0, Math.min(BLCKSZ, this.length - from));
    if (held < BLCKSZ) out.fill(0, outOffset + held, outOffset + BLCKSZ);
  }

  /** The bytes [from, to) of the file; both within its length. */
  read(from: number, to: number, out: Uint8Array, outOffset: number): void {
    if (to <= from) return;
    this.#guard.chainIntact();
    if (this.source.kind === 'raw') this.#readRaw(this.source, from, to, out, outOffset);
    else this.#readPages(from, to, out, outOffset);
  }

  #readRaw(source: RawSource, from: number, to: number, out: Uint8Array, outOffset: number): void {
    const fd = this.#fd(0);
    let position = from;
    while (position < to) {
      const count = readSync(fd, out, outOffset + position - from, to - position, position);
      // The list says how long the copy is; a shorter one is damage, never zeros.
      if (count === 0) throw this.#guard.short(source, position);
      position += count;
    }
    this.#counters.add(counter.catalogBytesRead, to - from);
    this.#counters.add(counter.blocksFromBackup, Math.ceil(to / BLCKSZ) - Math.floor(from / BLCKSZ));
  }

  #readPages(from: number, to: number, out: Uint8Array, outOffset: number): void {
    let position = from;
    while (position < to) {
      const block = Math.floor(position / BLCKSZ);
      const within = position - block * BLCKSZ;
      const whole = within === 0 ? Math.floor((to - position) / BLCKSZ) : 0;
      if (whole > 0) {
        this.#decode(block, whole, out, outOffset + position - from);
        position += whole * BLCKSZ;
        continue;
      }
      const end = Math.min(to, (block + 1) * BLCKSZ);
      if (this.#pageBlock === block) this.#counters.add(counter.pageHit, 1);
      else {
        this.#counters.add(counter.pageMiss, 1);
        this.#pageBlock = -1;
        this.#page ??= new Uint8Array(BLCKSZ);
        this.#decode(block, 1, this.#page, 0);
        this.#pageBlock = block;
      }
      out.set(this.#page!.subarray(within, within + end - position), outOffset + position - from);
      position = end;
    }
  }

  #decode(block: number, count: number, out: Uint8Array, outOffset: number): void {
    if (this.source.kind !== 'datafile') throw new SystemError('EIO');
    try {
      const index = this.#index.open();
      const read = this.#pages.readBlocks(this.source, index, this.#fdOf, block, count, out, outOffset);
      this.#counters.add(counter.catalogBytesRead, read.bytes);
      this.#counters.add(counter.blocksFromBackup, read.stored);
      this.#counters.add(counter.blocksHole, read.holes);
      if (read.badInSource > 0) this.#guard.badInSource(this.#row, this.source, read.badInSource, read.badBlock);
    } catch (error) {
      this.#guard.refused(error);
      throw error;
    } finally {
      this.#index.close();
    }
  }

  /** The descriptor of a stored file, looked at by the guard each time it was opened anew. */
  #fd(at: number): number {
    const file = this.#files[at]!;
    const fd = this.#fds.fd(file);
    if (this.#looked[at] !== file.opened) {
      this.#guard.opened(this.#row, this.source, at, fd);
      this.#looked[at] = file.opened;
    }
    return fd;
  }

  #layerIndex(part: StreamPart): number {
    return this.source.kind === 'datafile' ? this.source.layers.indexOf(part) : 0;
  }
}
