// Objects of the diff: a data file and its block map under a random name that is never reused.

import { randomBytes } from 'node:crypto';
import { BlockState, type StateRegion } from './block-state.js';
import { createMap } from './map-file.js';
import { bootIdBytes } from './map-format.js';
import { closeQuietly, type DiffStorage, hasCode, unlinkQuietly } from './storage.js';

/** An object with its map, open for reading and writing. The descriptors may be exchanged by whoever re-opens them. */
export interface OpenObject {
  /** 32 hex digits, also the file's name. */
  readonly objectId: string;
  /** The directory both files lie in. */
  readonly directory: string;
  objectFd: number;
  mapFd: number;
}

const ID_BYTES = 16;
/** Asked for in advance: a call for 16 bytes takes 5 µs, one for 4096 not much longer. */
let random = Buffer.alloc(0);

/** A new object id: 128 random bits, so that a stale reference never meets another file's data. */
export function newObjectId(): string {
  if (random.length === 0) random = randomBytes(256 * ID_BYTES);
  const id = random.toString('hex', 0, ID_BYTES);
  random = random.subarray(ID_BYTES);
  return id;
}

/** Paths of an object's data and map. */
export function objectPaths(directory: string, objectId: string): { data: string; map: string } {
  return { data: `${directory}/${objectId}`, map: `${directory}/${objectId}.map` };
}

/**
 * Creates an object of baseLength bytes (all hole) with a map in which nothing is present, and starts its state.
 * Nothing is synced; the first {@link DiffFile.sync} makes the names durable, too. Leaves nothing behind on failure.
 */
export function createObject(
  storage: DiffStorage,
  directory: string,
  options: { readonly baseIdentity: string; readonly baseLength: number; readonly bootId: string },
  region: StateRegion,
  objectId = newObjectId(),
): OpenObject {
  const paths = objectPaths(directory, objectId);
  const objectFd = storage.open(paths.data, 'create');
  try {
    if (options.baseLength > 0) storage.ftruncate(objectFd, options.baseLength);
    const mapFd = createMap(storage, paths.map, { ...options, objectId });
    const state = new BlockState(region, options.baseLength);
    state.reset(options.baseLength, options.baseLength, bootIdBytes(options.bootId));
    // The object's size is data, too: a durable image over an object without it would be cut to nothing.
    state.noteDataChange();
    return { objectId, directory, objectFd, mapFd };
  } catch (error) {
    closeQuietly(storage, objectFd);
    unlinkQuietly(storage, paths.data);
    throw error;
  }
}

/** Opens an existing object and its map. @throws ENOENT when one is missing; the caller knows whether that is damage. */
export function openObject(storage: DiffStorage, directory: string, objectId: string): OpenObject {
  const paths = objectPaths(directory, objectId);
  const objectFd = storage.open(paths.data, 'write');
  try {
    return { objectId, directory, objectFd, mapFd: storage.open(paths.map, 'write') };
  } catch (error) {
    closeQuietly(storage, objectFd);
    throw error;
  }
}

/** @throws what a close said; both files are closed all the same */
export function closeObject(storage: DiffStorage, object: OpenObject): void {
  try {
    storage.close(object.objectFd);
  } finally {
    storage.close(object.mapFd);
  }
}

/**
 * Removes an object's files; one that is missing already is no error. If the object was ever synced, the journal record
 * that gave up its last name must be durable first: after a power loss a name without its object is damage.
 */
export function removeObject(storage: DiffStorage, directory: string, objectId: string): void {
  const paths = objectPaths(directory, objectId);
  for (const path of [paths.map, paths.data]) {
    try {
      storage.unlink(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}

/** Ids of all objects in a directory, also those of which only one file is left (a creation or removal was cut off). */
export function listObjects(storage: DiffStorage, directory: string): Set<string> {
  const ids = new Set<string>();
  for (const name of storage.readdir(directory)) {
    const id = /^([0-9a-f]{32})(\.map)?$/.exec(name)?.[1];
    if (id !== undefined) ids.add(id);
  }
  return ids;
}
