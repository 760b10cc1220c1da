// Files made on the mount: an object of the diff is the whole of each, made by the first change of data: an empty file
// needs none. One thread's access to them.

import { fdatasyncSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, fallocate } from '../../sys/libc.js';
import type { FileTable } from '../shared/file-table.js';
import { withObject } from '../shared/missing-object.js';
import type { ObjectState } from '../shared/object-state.js';
import { rowFlag } from '../shared/row-layout.js';
import type { CachedFile, FdCache } from './fd-cache.js';
import type { ObjectFiles } from './object-files.js';

/** Per-thread knowledge of files is dropped, oldest first, above this many. */
export const MAX_FILES = 4096;

const PUNCH_HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

interface PlainFile {
  generation: number;
  file: CachedFile;
}

/** Callers keep the order of mutations and the size in the file table. */
export class PlainFiles {
  readonly #table: FileTable;
  readonly #objects: ObjectFiles;
  readonly #fds: FdCache;
  readonly #files = new Map<number, PlainFile>();

  constructor(table: FileTable, objects: ObjectFiles, fds: FdCache) {
    this.#table = table;
    this.#objects = objects;
    this.#fds = fds;
  }

  /** Reads [position, position + count), which lies within the file's size; what the object lacks is zeros. */
  read(row: number, generation: number, position: number, count: number, out: Uint8Array, outOffset: number): void {
    const done = this.#fds.readAll(this.#file(row, generation), out, outOffset, count, position);
    if (done < count) out.fill(0, outOffset + done, outOffset + count);
  }

  /** Of a file that has an object. */
  state(row: number, generation: number): ObjectState {
    return withObject(this.#table.objectId(row), () => fstatSync(this.#fd(row, generation)));
  }

  /** Writes at `position`; a short count tells that the disk filled up on the way. */
  write(row: number, generation: number, data: Uint8Array, offset: number, length: number, position: number): number {
    const fd = this.#fdForChange(row, generation);
    let done = 0;
    while (done < length) {
      try {
        done += writeSync(fd, data, offset + done, length - done, position + done);
      } catch (error) {
        if (done > 0) return done;
        throw error;
      }
    }
    return done;
  }

  truncate(row: number, generation: number, length: number): void {
    if (length === 0 && !this.#table.hasFlag(row, rowFlag.object)) return;
    ftruncateSync(this.#fdForChange(row, generation), length);
  }

  /** Makes [from, to) a hole; the size stays. */
  punch(row: number, generation: number, from: number, to: number): void {
    fallocate(this.#fdForChange(row, generation), PUNCH_HOLE, from, to - from);
  }

  /** Extends by zeros and reserves the space that was asked for, not a gap before it: wholly or not at all. */
  extend(row: number, generation: number, old: number, from: number, length: number): void {
    const fd = this.#fdForChange(row, generation);
    try {
      fallocate(fd, 0, from, length);
    } catch (error) {
      // A full disk may have let part of it through; the size must stay what the table says.
      ftruncateSync(fd, old);
      throw error;
    }
  }

  sync(row: number, generation: number): void {
    const fd = this.#fd(row, generation);
    try {
      fdatasyncSync(fd);
    } catch (error) {
      // The kernel forgets which pages it could not write: a later success would prove nothing.
      this.#table.addFlag(row, rowFlag.syncFailed);
      this.#objects.markLostWrites();
      throw error;
    }
  }

  /** Called in the row's turn: nobody else makes the object meanwhile, but for whoever opens a passthrough file. */
  #fdForChange(row: number, generation: number): number {
    if (!this.#table.hasFlag(row, rowFlag.object)) {
      this.#objects.make(this.#table.objectId(row), this.#table.isPassthrough(row));
      this.#table.addFlag(row, rowFlag.object);
    }
    return this.#fd(row, generation);
  }

  #fd(row: number, generation: number): number {
    return this.#fds.fd(this.#file(row, generation));
  }

  #file(row: number, generation: number): CachedFile {
    let plain = this.#files.get(row);
    if (plain === undefined || plain.generation !== generation) {
      if (plain !== undefined) this.#fds.close(plain.file);
      if (this.#files.size >= MAX_FILES) this.#dropOldest();
      plain = { generation, file: this.#objects.file(row, generation) };
      this.#files.set(row, plain);
    }
    return plain.file;
  }

  #dropOldest(): void {
    const [row, plain] = this.#files.entries().next().value!;
    this.#fds.close(plain.file);
    this.#files.delete(row);
  }
}
