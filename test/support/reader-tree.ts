// The backup reader as a tree to compare with the truth: every file rebuilt through the public API of src/backup.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {
  BLCKSZ,
  type BlockIndex,
  buildBlockIndex,
  type ChainReader,
  createBlockIndex,
  type DatafileSource,
  type FdOf,
  openRaw,
  openStored,
  PageReader,
  type RawSource,
  readRaw,
  type StreamPart,
  verifyRaw,
} from '../../src/backup/index.js';
import type { SeenEntry, TreeProvider } from './truth.js';

const blocksAtOnce = 128;

/** Reads whole files of a target through the public API. Also collects what the index builder complained about. */
export class WholeFileReader {
  readonly problems: string[] = [];
  readonly #reader = new PageReader();
  readonly #chunk = Buffer.alloc(blocksAtOnce * BLCKSZ);

  read(reader: ChainReader, path: string): Buffer {
    const pieces: Buffer[] = [];
    this.stream(reader, path, (piece) => pieces.push(Buffer.from(piece)));
    return Buffer.concat(pieces);
  }

  /** Gives a file's content piece by piece; a piece is valid during the call only. */
  stream(reader: ChainReader, path: string, take: (piece: Buffer) => void): void {
    const source = reader.resolve(path);
    if (source.kind === 'raw') this.#raw(source, take);
    else this.#datafile(source, take);
  }

  #raw(source: RawSource, take: (piece: Buffer) => void): void {
    verifyRaw(source);
    const fd = openRaw(source);
    if (fd === undefined) return;
    for (let at = 0; at < source.size; ) {
      const got = readRaw(source, fd, at, this.#chunk.length, this.#chunk, 0);
      take(this.#chunk.subarray(0, got));
      at += got;
    }
    fs.closeSync(fd);
  }

  #datafile(source: DatafileSource, take: (piece: Buffer) => void): void {
    const index = createBlockIndex(source.nBlocks);
    this.problems.push(...buildBlockIndex(source, index).problems);
    // Nothing in it has been verified yet.
    const untouched = { ...index, info: index.info.slice() };
    const fds = new Map<StreamPart, number>();
    const fdOf = (part: StreamPart) => {
      const fd = fds.get(part) ?? openStored(part.backupId, part.file, part.storedSize);
      fds.set(part, fd);
      return fd;
    };
    try {
      for (let block = 0; block < source.nBlocks; block += blocksAtOnce) {
        const count = Math.min(blocksAtOnce, source.nBlocks - block);
        const alone = (one: number) => this.#alone(source, untouched, fdOf, one);
        try {
          this.#reader.readBlocks(source, index, fdOf, block, count, this.#chunk, 0);
        } catch (error) {
          const failures = Array.from({ length: count }, (_, i) => alone(block + i)).filter(
            (read) => !Buffer.isBuffer(read),
          );
          assert.ok(failures.includes((error as Error).message), `read alone: ${failures}; together: ${error}`);
          throw error;
        }
        // All of a small file, some of a large one.
        for (let i = 0; i < count; i += source.nBlocks > 64 ? 16 : 1) {
          const wanted = this.#chunk.subarray(i * BLCKSZ, (i + 1) * BLCKSZ);
          assert.deepEqual(alone(block + i), wanted, `block ${block + i} read alone`);
        }
        take(this.#chunk.subarray(0, count * BLCKSZ));
      }
    } finally {
      for (const fd of fds.values()) fs.closeSync(fd);
    }
  }

  /** The block as a READ of just this one gets it, behind a header; or the message of what it failed with. */
  #alone(source: DatafileSource, index: BlockIndex, fdOf: FdOf, block: number): Buffer | string {
    const out = Buffer.alloc(HEADER + BLCKSZ + HEADER, 0xa5);
    try {
      this.#reader.readBlocks(source, index, fdOf, block, 1, out, HEADER);
    } catch (error) {
      return (error as Error).message;
    }
    assert.ok(out.subarray(0, HEADER).equals(AROUND) && out.subarray(-HEADER).equals(AROUND), 'bytes around the block');
    return out.subarray(HEADER, HEADER + BLCKSZ);
  }
}

const HEADER = 16;
const AROUND = Buffer.alloc(HEADER, 0xa5);

/** A chain as TreeProvider. */
export function readerTree(reader: ChainReader, files = new WholeFileReader()): TreeProvider {
  return {
    *list(): Generator<SeenEntry> {
      for (const { path, kind, mode, size } of reader.entries()) {
        yield { path, type: kind === 'dir' ? 'd' : 'f', mode: mode & 0o7777, size };
      }
    },
    sha256: (path) => {
      const hash = crypto.createHash('sha256');
      files.stream(reader, path, (piece) => hash.update(piece));
      return hash.digest('hex');
    },
  };
}
