// The diff's objects as one thread opens them: through its descriptor cache, under handles that survive closing.

import { closeSync, constants, openSync } from 'node:fs';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, fallocate } from '../../sys/libc.js';
import { type BaseReader, DiffFile, NodeStorage, type StateRegion } from '../diff/index.js';
import { control } from '../shared/shared-state.js';
import { CachedFile, type FdCache } from './fd-cache.js';

/** Handles of cached files; a handle stands where DiffStorage expects a descriptor. */
class HandleStorage extends NodeStorage {
  readonly #fds: FdCache;
  readonly #files: CachedFile[] = [];

  constructor(fds: FdCache) {
    super({ fallocate: (fd, offset, length) => fallocate(fd, 0, offset, length) });
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

  punch(handle: number, from: number, to: number): boolean {
    try {
      fallocate(this.#fd(handle), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EOPNOTSUPP') throw error;
      return false;
    }
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
  readonly #control: Int32Array;

  /** @param directory of the objects @param controlWords of the mount: they count the objects that were made */
  constructor(directory: string, fds: FdCache, controlWords: Int32Array) {
    this.#directory = directory;
    this.#fds = fds;
    this.#control = controlWords;
  }

  /**
   * Makes the empty object of a file made on the mount; the next sync of names makes its name durable.
   * @param mayExist somebody else may be making it as well
   */
  make(objectId: string, mayExist: boolean): void {
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    closeSync(openSync(`${this.#directory}/${objectId}`, O_RDWR | O_CREAT | (mayExist ? 0 : O_EXCL), 0o600));
    Atomics.add(this.#control, control.objectsCreated, 1);
  }

  /** The data file of an object. */
  file(objectId: string): CachedFile {
    return new CachedFile(Buffer.from(`${this.#directory}/${objectId}`), constants.O_RDWR);
  }

  /** The diff of a file of the backup: its object and block map over shared state. */
  diffFile(objectId: string, state: StateRegion, base: BaseReader & { length: number }): OpenDiff {
    const storage = new HandleStorage(this.#fds);
    const data = this.file(objectId);
    const map = new CachedFile(Buffer.from(`${this.#directory}/${objectId}.map`), constants.O_RDWR);
    const object = {
      objectId,
      directory: this.#directory,
      objectFd: storage.add(data),
      mapFd: storage.add(map),
    };
    return { diff: new DiffFile(storage, object, state, base, base.length), data, map };
  }
}
