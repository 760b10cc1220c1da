// The block maps of files that have an object, as the namespace thread loads them into shared memory and counts them.

import { BlockState } from './diff/block-state.js';
import {
  closeObject,
  type DiffStorage,
  heldBlocks,
  isFull,
  loadMap,
  mapBlocks,
  openObject,
  stateSize,
} from './diff/index.js';
import type { LastEnding } from './last-ending.js';
import type { Inode } from './namespace/inode.js';
import type { Arena } from './shared/arena.js';
import { missingObject } from './shared/missing-object.js';

export interface BlockMapsOptions {
  readonly storage: DiffStorage;
  /** directory of the objects */
  readonly directory: string;
  readonly arena: Arena;
  readonly bootId: string;
  /** the diff's file system may have lost un-synced data although the host has not been restarted */
  readonly afterPowerLoss: boolean;
  warn(message: string): void;
}

export class BlockMaps {
  readonly #options: BlockMapsOptions;

  constructor(options: BlockMapsOptions) {
    this.#options = options;
  }

  /**
   * Loads the map of a file of the backup; `ignore`: the object counts for nothing, the backup's bytes do.
   * @throws PbkfsError diff_damaged
   */
  load(inode: Inode, { cleanlyClosed, cacheWasLost }: LastEnding): 'loaded' | 'ignore' {
    const { storage, directory, arena, bootId, warn } = this.#options;
    const { sourcePath, size } = inode.base!;
    const bytes = stateSize(size);
    const state = arena.allocate(bytes);
    let result: 'loaded' | 'ignore' | 'failed' = 'failed';
    try {
      const object = openObject(storage, directory, inode.objectId!);
      try {
        const afterPowerLoss = this.#options.afterPowerLoss && !cleanlyClosed;
        const options = { baseIdentity: sourcePath, baseLength: size, bootId, cleanlyClosed, afterPowerLoss };
        result = loadAsRoomAllows(storage, object, options, this.#region(state));
      } finally {
        closeObject(storage, object);
      }
      if (result === 'loaded') inode.diffState = state;
      return result;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (!cacheWasLost) throw missingObject(inode.objectId!, error);
      warn(`${sourcePath} lost its changes: they were never synced, and neither was their object`);
      return 'ignore';
    } finally {
      if (result !== 'loaded') arena.free(state, bytes);
    }
  }

  /** A view of the loaded map. */
  state(inode: Inode): BlockState {
    return new BlockState(this.#region(inode.diffState), inode.base!.size);
  }

  /** Blocks of the diff that a file of the backup with an object takes; those of a map that is not loaded as the journal says. */
  blocks(inode: Inode): number {
    const { size } = inode.base!;
    if (inode.diffState === 0) return inode.heldBlocks ?? mapBlocks(size);
    return mapBlocks(size) + heldBlocks(this.#region(inode.diffState), size);
  }

  #region(state: number): { buffer: SharedArrayBuffer; byteOffset: number } {
    return { buffer: this.#options.arena.buffer, byteOffset: state };
  }
}

/**
 * On a full disk the durable image of a file may have to wait: as un-synced as it was, it is served all the same. Only
 * where writing has failed: after a failed sync nobody knows what is on the disk.
 */
function loadAsRoomAllows(...args: Parameters<typeof loadMap>): ReturnType<typeof loadMap> {
  try {
    return loadMap(...args);
  } catch (error) {
    if (!isFull(error) || (error as NodeJS.ErrnoException).syscall !== 'write') throw error;
    const [storage, object, options, region] = args;
    return loadMap(storage, object, { ...options, promote: false }, region);
  }
}
