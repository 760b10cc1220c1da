// Snapshot and sync: how the live state of a file becomes the durable image of its map.

import { type BlockState, flag, later } from './block-state.js';
import { failedBefore } from './failed-sync.js';
import type { MapFile } from './map-file.js';
import type { MapImage } from './map-format.js';
import type { OpenObject } from './object.js';
import type { DiffStorage } from './storage.js';

/** The state of one file at one moment between two mutations. Plain data. */
export interface Snapshot {
  readonly dataChanges: number;
  readonly mapChanges: number;
  readonly length: number;
  readonly baseLimit: number;
  /** Undefined when the durable image already says the same. */
  readonly bits: Uint8Array | undefined;
  /** Every block the base could still supply is in the object, and the file is to be marked complete. */
  readonly complete: boolean;
}

/** Copies the state. The caller excludes mutations (ticket). */
export function takeSnapshot(state: BlockState, completing: boolean): Snapshot {
  const { mapChanges, limitBlocks } = state;
  const complete = completing && !state.has(flag.complete) && state.countPresent(0, limitBlocks) === limitBlocks;
  const same = state.durableSlot >= 0 && !later(mapChanges, state.mapSynced) && !complete;
  return {
    dataChanges: state.dataChanges,
    mapChanges,
    length: state.length,
    baseLimit: state.baseLimit,
    bits: same ? undefined : state.copyBits(),
    complete,
  };
}

/** Whether a sync would have anything to do: data written since the last one, a map not yet durable. */
export function needsSync(state: BlockState): boolean {
  if (state.has(flag.syncFailed) || later(state.dataChanges, state.dataSynced)) return true;
  return !state.has(flag.complete) && (state.durableSlot < 0 || later(state.mapChanges, state.mapSynced));
}

/**
 * Makes a snapshot durable. Mutations may run meanwhile: only what the snapshot holds is written, and it is written
 * after the fdatasync of the object that began later than the snapshot was taken. Syncs of one file exclude each other;
 * a snapshot older than the last one synced has nothing left to do.
 *
 * @throws the storage's error when something could not be made durable; PbkfsError diff_sync_failed on every call after
 *   a sync of object, map or their names has failed, because the kernel forgets which pages it could not write.
 */
export function syncState(
  storage: DiffStorage,
  object: OpenObject,
  map: MapFile,
  state: BlockState,
  snapshot: Snapshot,
): void {
  if (state.has(flag.syncFailed)) throw failedBefore(`object ${object.objectId}`);
  if (later(snapshot.dataChanges, state.dataSynced)) {
    onceOnly(state, () => storage.fdatasync(object.objectFd));
    state.dataSynced = snapshot.dataChanges;
  }
  if (state.has(flag.complete)) return;
  const { bits, complete } = snapshot;
  const first = state.durableSlot < 0;
  const newer = first || later(snapshot.mapChanges, state.mapSynced);
  // A complete snapshot may still be marked when it is as new as the durable image, never when it is older.
  const mark = complete && !later(state.mapSynced, snapshot.mapChanges);
  if (bits === undefined || (!newer && !mark)) return;
  // The names of object and map must be durable before an image says that the object is there.
  if (first) onceOnly(state, () => storage.fsyncDir(object.directory));
  const { length, baseLimit } = snapshot;
  writeDurable(map, state, { sequence: state.sequence + 1, length, baseLimit, complete, bits });
  state.mapSynced = snapshot.mapChanges;
  if (complete) state.raise(flag.complete);
}

function onceOnly(state: BlockState, sync: () => void): void {
  try {
    sync();
  } catch (error) {
    state.raise(flag.syncFailed);
    throw error;
  }
}

/** Writes the slot that is not the durable one; only when it is on disk does it become the durable one. */
function writeDurable(map: MapFile, state: BlockState, image: MapImage): void {
  const slot = state.durableSlot === 0 ? 1 : 0;
  // Counted before the attempt: a slot whose sync failed may be on disk all the same, and must be outnumbered.
  state.sequence = image.sequence;
  map.writeSlot(slot, image);
  // Its first page was written when the map was made, and would not be written anew with the slot.
  onceOnly(state, () => map.sync());
  state.durableSlot = slot;
  map.writeMark(image.sequence);
}
