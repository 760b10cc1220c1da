// Makes and removes the diff's objects. An object is removed only when the record that gave it up is durable: after
// a power loss a name whose object is gone would be damage.

import { closeSync, fsyncSync, openSync, truncateSync } from 'node:fs';
import { withLock } from '../../pending/mutex.js';
import {
  closeObject,
  createObject,
  type DiffStorage,
  failedBefore,
  listObjects,
  mapBlocks,
  newObjectId,
  objectPaths,
  removeObject,
  stateSize,
} from '../diff/index.js';
import type { DiffBudget } from '../shared/diff-budget.js';
import { control, type SharedState } from '../shared/shared-state.js';

/** A new object for a file of the backup, with the arena offset of its block map's state. */
export interface MappedObject {
  objectId: string;
  diffState: number;
}

interface Doomed {
  objectId: string;
  sequence: number;
  /** what it takes of the diff */
  blocks: number;
}

export class ObjectKeeper {
  readonly directory: string;
  readonly #storage: DiffStorage;
  readonly #shared: SharedState;
  readonly #bootId: string;
  readonly #budget: DiffBudget;
  readonly #doomed: Doomed[] = [];
  readonly #directoryFd: number;

  /** @param directory of the objects; it exists */
  constructor(storage: DiffStorage, directory: string, shared: SharedState, bootId: string, budget: DiffBudget) {
    this.#budget = budget;
    this.#storage = storage;
    this.directory = directory;
    this.#shared = shared;
    this.#bootId = bootId;
    this.#directoryFd = openSync(directory, 'r');
    Atomics.store(shared.control, control.objectsFd, this.#directoryFd);
  }

  /** Objects that wait for their removal. */
  get waiting(): number {
    return this.#doomed.length;
  }

  /**
   * The id of an object for a file made on the mount; whoever first changes the file's data makes it.
   * @throws ENOSPC at the diff's limit
   */
  name(): string {
    this.#budget.mustHaveRoom();
    return newObjectId();
  }

  /** An object for the changed blocks of a file of the backup. @throws ENOSPC at the diff's limit */
  createMapped(baseIdentity: string, baseLength: number): MappedObject {
    this.#budget.take(mapBlocks(baseLength));
    const bytes = stateSize(baseLength);
    const diffState = this.#shared.arena.allocate(bytes);
    try {
      const region = { buffer: this.#shared.arena.buffer, byteOffset: diffState };
      const options = { baseIdentity, baseLength, bootId: this.#bootId };
      const object = createObject(this.#storage, this.directory, options, region);
      closeObject(this.#storage, object);
      Atomics.add(this.#shared.control, control.objectsCreated, 1);
      return { objectId: object.objectId, diffState };
    } catch (error) {
      this.#shared.arena.free(diffState, bytes);
      this.#budget.give(mapBlocks(baseLength));
      throw error;
    }
  }

  /** Removes an object made by createMapped that no record mentions. */
  discardMapped(objectId: string, baseLength: number): void {
    this.#discard(objectId);
    this.#budget.give(mapBlocks(baseLength));
  }

  /** Removes an object that no record mentions. */
  #discard(objectId: string): void {
    removeObject(this.#storage, this.directory, objectId);
  }

  /** Removes an object once the journal is durable up to `sequence`; only then its blocks are free. */
  removeAfter(objectId: string, sequence: number, blocks: number): void {
    this.#doomed.push({ objectId, sequence, blocks });
  }

  /** Removes what may be removed now that the journal is durable up to `synced`, at most `limit`; returns how many. */
  removeUpTo(synced: number, limit = Number.POSITIVE_INFINITY): number {
    let removed = 0;
    try {
      // In the order of their records: the first that must stay ends it.
      for (const doomed of this.#doomed) {
        if (removed >= limit || doomed.sequence > synced) break;
        this.#remove(doomed.objectId);
        this.#budget.give(doomed.blocks);
        removed++;
      }
    } finally {
      this.#doomed.splice(0, removed);
    }
    return removed;
  }

  /** Removes every object that is not in `used`: left over from creations and removals that were cut off. */
  removeUnused(used: ReadonlySet<string>): void {
    for (const objectId of listObjects(this.#storage, this.directory)) {
      if (!used.has(objectId)) this.#discard(objectId);
    }
  }

  /** Frees the space at once: data threads may keep the object open for as long as nothing else needs the descriptor. */
  #remove(objectId: string): void {
    try {
      truncateSync(objectPaths(this.directory, objectId).data, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    this.#discard(objectId);
  }

  /** Makes their names durable. @throws diff_sync_failed once that has failed, in whichever thread */
  sync(): void {
    const { control: words } = this.#shared;
    // Never beside a data thread's: of two syncs of one open file the kernel tells only one of what it could not write.
    withLock(words, control.objectsLock, () => {
      if (Atomics.load(words, control.objectsFailed) !== 0) throw failedBefore('the directory of objects');
      try {
        fsyncSync(this.#directoryFd);
      } catch (error) {
        Atomics.store(words, control.objectsFailed, 1);
        throw error;
      }
    });
  }

  close(): void {
    closeSync(this.#directoryFd);
  }
}
