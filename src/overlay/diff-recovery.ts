// Settling and syncing objects outside the request path: after a kill, after power loss, and at the clean end.

import { constants, fstatSync, ftruncateSync, openSync, statSync } from 'node:fs';
import { PbkfsError } from '../errors.js';
import { closeObject, DiffFile, type DiffStorage, failedBefore, objectPaths, openObject } from './diff/index.js';
import { type Inode, isNeverWritten } from './namespace/inode.js';
import { missingObject } from './shared/missing-object.js';
import { rowFlag, word } from './shared/row-layout.js';
import type { SharedState } from './shared/shared-state.js';
import { nanosecondsOf, secondsOf } from './shared/timestamp.js';

const neverRead = {
  readBlock(): void {
    throw new PbkfsError('internal', 'syncing a file must not read the backup');
  },
};

export class Recovery {
  readonly #storage: DiffStorage;
  readonly #directory: string;
  readonly #shared: SharedState;

  constructor(storage: DiffStorage, directory: string, shared: SharedState) {
    this.#storage = storage;
    this.#directory = directory;
    this.#shared = shared;
  }

  /**
   * Refuses a diff whose object is not what the last mount left at its clean end: a copy that was cut off, most likely.
   * Served as it is, what is missing would read as zeros.
   * @throws PbkfsError diff_damaged
   */
  mustBeWhole(inode: Inode): void {
    const { data, map } = objectPaths(this.#directory, inode.objectId!);
    for (const path of inode.isBased ? [data, map] : [data]) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found === undefined) {
        if (isNeverWritten(inode)) return;
        throw missingObject(inode.objectId!, undefined);
      }
      inode.flags |= rowFlag.object;
      if (path === map || found.size >= inode.attributes.size) continue;
      throw new PbkfsError(
        'diff_damaged',
        `the object ${data} has ${found.size} bytes, and had ${inode.attributes.size} when the diff was unmounted`,
        { hint: 'copy the diff again from where it is whole, or start with a new, empty one; pbkfs fsck tells all' },
      );
    }
  }

  /**
   * When an object was last written, in ms; 0 for one that is missing. To be asked before its map is loaded, which may
   * change it.
   */
  writtenAt(inode: Inode): number {
    return statSync(objectPaths(this.#directory, inode.objectId!).data, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  /**
   * Length and times of a file of the backup by its loaded block map. One that could not be made durable, for want of
   * room, counts as unsynced.
   * @param writtenAt see there
   */
  settleBased(inode: Inode, writtenAt: number): void {
    this.#with(inode, (diff) => {
      inode.attributes.size = diff.length();
      if (diff.needsSync()) inode.flags |= rowFlag.dirtyData;
    });
    settleTimes(inode, writtenAt);
  }

  /**
   * Size, times and durability of a file made on the mount, taken from its object.
   * @param cacheWasLost the name may have reached the disk and the object not, when neither was synced: an empty file
   */
  settlePlain(inode: Inode, cacheWasLost: boolean): void {
    const fd = this.#openPlain(inode.objectId!, cacheWasLost || isNeverWritten(inode));
    if (fd === null) {
      inode.attributes.size = 0;
      return;
    }
    try {
      inode.flags |= rowFlag.object;
      const { size, mtimeMs } = fstatSync(fd);
      settleTimes(inode, mtimeMs);
      // As in loadMap: what a file system kept behind the end must not show up when the file grows again.
      if (cacheWasLost) ftruncateSync(fd, size);
      this.#storage.fdatasync(fd);
      inode.attributes.size = size;
    } finally {
      this.#storage.close(fd);
    }
  }

  /** Makes an inode's data durable if anything was written since its last sync. */
  sync(inode: Inode): void {
    const { table } = this.#shared;
    const flags = inode.row === 0 ? inode.flags : table.get(inode.row, word.flags);
    if ((flags & rowFlag.dirtyData) === 0) return;
    if ((flags & rowFlag.syncFailed) !== 0) throw failedBefore(`object ${inode.objectId}`);
    if (inode.isBased) {
      this.#with(inode, (diff) => {
        if (diff.needsSync()) diff.sync(diff.snapshot());
      });
      return;
    }
    if ((flags & rowFlag.object) === 0) return;
    const fd = this.#openPlain(inode.objectId!, false)!;
    try {
      this.#storage.fdatasync(fd);
    } finally {
      this.#storage.close(fd);
    }
  }

  /** null: there is none, and it may be missing. */
  #openPlain(objectId: string, mayBeMissing: boolean): number | null {
    try {
      return openSync(objectPaths(this.#directory, objectId).data, constants.O_RDWR);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (mayBeMissing) return null;
      throw missingObject(objectId, error);
    }
  }

  #with<T>(inode: Inode, use: (diff: DiffFile) => T): T {
    const object = openObject(this.#storage, this.#directory, inode.objectId!);
    try {
      const region = { buffer: this.#shared.arena.buffer, byteOffset: inode.diffState };
      return use(new DiffFile(this.#storage, object, region, neverRead, inode.base!.size));
    } finally {
      closeObject(this.#storage, object);
    }
  }
}

/** Writes are not in the journal; the object remembers when the last one was. */
function settleTimes({ attributes, mtimeSaid }: Inode, writtenAt: number): void {
  if (writtenAt <= mtimeSaid) return;
  const seconds = secondsOf(writtenAt);
  const nsec = nanosecondsOf(writtenAt);
  attributes.mtime = seconds;
  attributes.mtimeNsec = nsec;
  if (seconds < attributes.ctime || (seconds === attributes.ctime && nsec < attributes.ctimeNsec)) return;
  attributes.ctime = seconds;
  attributes.ctimeNsec = nsec;
}
