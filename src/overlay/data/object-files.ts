// The diff's objects as one thread opens them: through its descriptor cache, under handles that survive closing.

import { closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { withLock } from '../../pending/mutex.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, fallocate } from '../../sys/libc.js';
import { type BaseReader, DiffFile, markLostWrites, NodeStorage, type StateRegion } from '../diff/index.js';
import { rowFlag } from '../shared/row-layout.js';
import { control, type SharedState } from '../shared/shared-state.js';
import { CachedFile, type FdCache } from './fd-cache.js';

/** Handles of cached files; a handle stands where DiffStorage expects a descriptor. */
class HandleStorage extends NodeStorage {
  readonly #fds: FdCache;
  readonly #files: CachedFile[] = [];

  constructor(fds: FdCache, lost: () => void) {
    super({
      lost,
      fallocate: (fd, offset, length) => fallocate(fd, 0, offset, length),
      punch: (fd, offset, length) => fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length),
    });
    this.#fds = fds;
  }

  /** The handle under which a file is used from now on. */
  add(file: CachedFile): number {
    return this.#files.push(file) - 1;
  }

  override pread(handle: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    return super.pread(this.#fd(handle), buffer, offset, length, position);
  }

  override pwrite(handle: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    return super.pwrite(this.#fd(handle), buffer, offset, length, position);
  }

  override ftruncate(handle: number, length: number): void {
    super.ftruncate(this.#fd(handle), length);
  }

  override allocate(handle: number, from: number, to: number): void {
    super.allocate(this.#fd(handle), from, to);
  }

  override punch(handle: number, from: number, to: number): boolean {
    return super.punch(this.#fd(handle), from, to);
  }

  override fdatasync(handle: number): void {
    super.fdatasync(this.#fd(handle));
  }

  override size(handle: number): number {
    return super.size(this.#fd(handle));
  }

  #fd(handle: number): number {
    return this.#fds.fd(this.#files[handle]!);
  }
}

/** One thread's view of the diff of a file, with the files it lies in. */
export interface OpenDiff {
  diff: DiffFile;
  data: CachedFile;
  map: CachedFile;
}

export class ObjectFiles {
  readonly #directory: string;
  readonly #fds: FdCache;
  readonly #shared: SharedState;

  /** @param directory of the objects */
  constructor(directory: string, fds: FdCache, shared: SharedState) {
    this.#directory = directory;
    this.#fds = fds;
    this.#shared = shared;
  }

  /**
   * Makes the empty object of a file made on the mount; the next sync of names makes its name durable.
   * @param mayExist somebody else may be making it as well
   */
  make(objectId: string, mayExist: boolean): void {
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    const fd = openSync(`${this.#directory}/${objectId}`, O_RDWR | O_CREAT | (mayExist ? 0 : O_EXCL), 0o600);
    Atomics.add(this.#shared.control, control.objectsCreated, 1);
    try {
      closeSync(fd);
    } catch {
      // Nothing was written through it; and it is there: to fail would be to try again, in vain.
    }
  }

  /** What the kernel has not written of an object is lost. */
  markLostWrites(): void {
    markLostWrites(dirname(this.#directory));
  }

  /** The data file of a row's object. */
  file(row: number, generation: number): CachedFile {
    return this.#cached(row, generation, '');
  }

  /** The diff of a file of the backup: its object and block map over shared state. */
  diffFile(row: number, generation: number, state: StateRegion, base: BaseReader & { length: number }): OpenDiff {
    const storage = new HandleStorage(this.#fds, () => this.markLostWrites());
    const data = this.file(row, generation);
    const map = this.#cached(row, generation, '.map');
    const object = {
      objectId: this.#shared.table.objectId(row),
      directory: this.#directory,
      objectFd: storage.add(data),
      mapFd: storage.add(map),
    };
    return { diff: new DiffFile(storage, object, state, base, base.length), data, map };
  }

  #cached(row: number, generation: number, suffix: string): CachedFile {
    const path = Buffer.from(`${this.#directory}/${this.#shared.table.objectId(row)}${suffix}`);
    return new CachedFile(path, constants.O_RDWR, () => this.#lost(row, generation));
  }

  /** What was written to the file may not be on its way to the disk any more: its syncs must fail, as after one that has. */
  #lost(row: number, generation: number): void {
    this.markLostWrites();
    const { table, control: words } = this.#shared;
    if (table.isLive(row, generation)) table.addFlag(row, rowFlag.syncFailed);
    // The kernel has forgotten it, and nobody knows which file it was: from now on no fsync succeeds, not even one that
    // finds all names durable.
    else {
      withLock(words, control.objectsLock, () => {
        Atomics.store(words, control.objectsFailed, 1);
        Atomics.add(words, control.objectsCreated, 1);
      });
    }
  }
}
