// Reading blocks of a datafile through its block index: one pread per run of records of a layer, every page checked.

import fs from 'node:fs';
import { INFO_LOST, INFO_SIZE, INFO_UNKNOWN, infoLayer } from './block-info.js';
import { decodeFullSizePayload, decodePage } from './codec/decode.js';
import { BLCKSZ, RECORD_HEADER } from './constants.js';
import { damagedBlock } from './damage.js';
import { looksCompressed } from './full-size-payload.js';
import { lostBlock } from './lost-blocks.js';
import { PageInPlace } from './page-in-place.js';
import { PageVerifier, type SeenBad } from './page-verifier.js';
import { MAX_RUN, StoredRun } from './stored-run.js';
import type { BlockIndex, DatafileSource, StreamPart, VerifyMode } from './types.js';

// node:fs has so many names that V8 does not remember where one is: looking it up costs a call itself.
const { readSync } = fs;

/** Where the blocks of a read came from. */
export interface BlockCounts extends SeenBad {
  /** Blocks decoded from page streams. */
  stored: number;
  /** Bytes of stored records read for them. */
  bytes: number;
  /** Blocks that no layer holds, given as zeros. */
  holes: number;
}

/** Gives the open descriptor of a layer's stored file; the reader never closes it. */
export type FdOf = (part: StreamPart) => number;

/**
 * Reads and checks pages. One object per thread: it owns the buffer that stored bytes are read into. Different threads
 * share nothing but the index, whose verified bits are set atomically.
 */
export class PageReader {
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_RUN * (RECORD_HEADER + BLCKSZ));
  readonly #run = new StoredRun(this.#buffer.length);
  readonly #counts: BlockCounts = { stored: 0, bytes: 0, holes: 0, badInSource: 0, badBlock: -1 };
  readonly #inPlace = new PageInPlace();
  readonly #verify: VerifyMode;
  readonly #verifier: PageVerifier;

  constructor(verify: VerifyMode = 'checksum') {
    this.#verify = verify;
    this.#verifier = new PageVerifier(verify, this.#counts);
  }

  /**
   * Writes blocks first..first+count-1 to `out` from `outOffset` on; holes become zeros.
   *
   * A page is served only if its record header names the block and the size of the index, its codec makes exactly 8192
   * bytes, and, the first time, it has the checksum of the header map. A page that was bad in the source already has
   * that checksum, too, and is served, provided that its file has the listed CRC.
   * @returns counts, in an object that the next call overwrites
   * @throws PbkfsError page_damaged naming backup, file and block; system errors of pread as they come
   */
  readBlocks(
    source: DatafileSource,
    index: BlockIndex,
    fdOf: FdOf,
    first: number,
    count: number,
    out: Uint8Array,
    outOffset: number,
  ): BlockCounts {
    const counts = this.#counts;
    counts.stored = 0;
    counts.bytes = 0;
    counts.holes = 0;
    counts.badInSource = 0;
    if (first < 0 || first + count > source.nBlocks)
      throw new RangeError(`blocks ${first}+${count} of ${source.nBlocks}`);
    const end = first + count;
    for (let block = first; block < end; block += MAX_RUN) {
      const to = outOffset + (block - first) * BLCKSZ;
      this.#readWindow(source, index, fdOf, block, Math.min(end - block, MAX_RUN), out, to);
    }
    return counts;
  }

  /** readBlocks for MAX_RUN blocks at most. */
  #readWindow(
    source: DatafileSource,
    index: BlockIndex,
    fdOf: FdOf,
    first: number,
    count: number,
    out: Uint8Array,
    outOffset: number,
  ): void {
    const run = this.#run;
    run.begin(count);
    for (let i = 0; i < count; i++) {
      if (run.has(i)) continue;
      const info = index.info[first + i]!;
      const size = info & INFO_SIZE;
      if (size === 0 || (size === INFO_LOST && this.#verify === 'off')) {
        out.fill(0, outOffset + i * BLCKSZ, outOffset + (i + 1) * BLCKSZ);
        this.#counts.holes++;
        continue;
      }
      if (size === INFO_LOST) throw lostBlock(source, first + i);
      const part = source.layers[infoLayer(info)]!;
      if (size === INFO_UNKNOWN) {
        const why = 'the file is damaged, and no header map tells whether it holds this block';
        throw damagedBlock(part.backupId, part.file, first + i, why);
      }
      if (count === 1 && size === BLCKSZ && outOffset >= RECORD_HEADER && !part.fullSizeMayBeCompressed) {
        this.#readInPlace(source, index, part, fdOf(part), first, out, outOffset);
        continue;
      }
      run.collect(index, first, i, part.padded);
      this.#readRun(source, index, part, fdOf(part), first, out, outOffset);
    }
  }

  /** Reads one page that is stored as it is; see page-in-place.ts. */
  #readInPlace(
    source: DatafileSource,
    index: BlockIndex,
    part: StreamPart,
    fd: number,
    block: number,
    out: Uint8Array,
    outOffset: number,
  ): void {
    const record = this.#inPlace;
    const got = record.read(fd, index.offset[block]!, out, outOffset);
    this.#counts.bytes += got;
    if (got < RECORD_HEADER + BLCKSZ) throw endsWithin(part, block);
    this.#checkHeader(part, block, BLCKSZ, record.block, record.size);
    this.#verifier.check(source, index, part, block, fd, out, outOffset);
    this.#counts.stored++;
  }

  /** Reads the records that `#run` has collected. @param first the block whose place `outOffset` is */
  #readRun(
    source: DatafileSource,
    index: BlockIndex,
    part: StreamPart,
    fd: number,
    first: number,
    out: Uint8Array,
    outOffset: number,
  ): void {
    const { start, length, count, members } = this.#run;
    const got = preadAll(fd, this.#buffer, length, start);
    this.#counts.bytes += got;
    for (let n = 0; n < count; n++) {
      const i = members[n]!;
      const block = first + i;
      const size = index.info[block]! & INFO_SIZE;
      const at = index.offset[block]! - start;
      if (at + RECORD_HEADER + size > got) throw endsWithin(part, block);
      this.#takePage(source, index, part, block, size, fd, at, out, outOffset + i * BLCKSZ);
    }
    this.#counts.stored += count;
  }

  /** Checks the record at `at` of the buffer and decodes it. */
  #takePage(
    source: DatafileSource,
    index: BlockIndex,
    part: StreamPart,
    block: number,
    size: number,
    fd: number,
    at: number,
    out: Uint8Array,
    outOffset: number,
  ): void {
    const buffer = this.#buffer;
    this.#checkHeader(part, block, size, buffer.readUInt32LE(at), buffer.readInt32LE(at + 4));
    const payload = at + RECORD_HEADER;
    try {
      if (size === BLCKSZ && part.fullSizeMayBeCompressed && looksCompressed(buffer, payload, part.compressAlg)) {
        decodeFullSizePayload(part.compressAlg, buffer, payload, out, outOffset);
      } else {
        decodePage(part.compressAlg, buffer, payload, payload + size, out, outOffset);
      }
    } catch (error) {
      throw damagedBlock(part.backupId, part.file, block, (error as Error).message, error);
    }
    this.#verifier.check(source, index, part, block, fd, out, outOffset);
  }

  /** Whether a record is the one that the index says: of this block, and of this size. */
  #checkHeader(part: StreamPart, block: number, size: number, storedBlock: number, storedSize: number): void {
    if ((storedBlock === block && storedSize === size) || this.#verify === 'off') return;
    const found = `block ${storedBlock} with ${storedSize} bytes`;
    throw damagedBlock(part.backupId, part.file, block, `its place holds ${found} instead of ${size} bytes`);
  }
}

function endsWithin(part: StreamPart, block: number): Error {
  return damagedBlock(part.backupId, part.file, block, 'the file ends within it');
}

/** @returns bytes read; fewer than length only at the end of the file */
function preadAll(fd: number, buffer: Buffer, length: number, position: number): number {
  let have = 0;
  while (have < length) {
    const got = readSync(fd, buffer, have, length - have, position + have);
    if (got === 0) break;
    have += got;
  }
  return have;
}
