// Writing the block map file: creation, the current image word by word, and the durable slots.

import { PbkfsError } from '../../errors.js';
import type { BlockState } from './block-state.js';
import {
  bitsBytes,
  bootIdBytes,
  encodeCurrent,
  encodeDurable,
  encodeIdentity,
  encodeMark,
  IMAGE_HEADER,
  MAP_PAGE,
  MARK_OFFSET,
  type MapIdentity,
  type MapImage,
  mapLayout,
} from './map-format.js';
import type { OpenObject } from './object.js';
import { closeQuietly, type DiffStorage, pwriteFully, unlinkQuietly } from './storage.js';

/** The map file of one open object. Holds no state of its own. */
export class MapFile {
  readonly #storage: DiffStorage;
  readonly #object: OpenObject;
  readonly #layout: ReturnType<typeof mapLayout>;

  constructor(storage: DiffStorage, object: OpenObject, baseLength: number) {
    this.#storage = storage;
    this.#object = object;
    this.#layout = mapLayout(baseLength);
  }

  /** One small write inside one page: neither a kill nor a power cut leaves half a header. */
  writeHeader(state: BlockState, length = state.length): void {
    const bytesOfBits = state.words.byteLength;
    const header = encodeCurrent(this.#object.objectId, state.boot, length, state.baseLimit, bytesOfBits);
    pwriteFully(this.#storage, this.#object.mapFd, header, 0, header.length, this.#layout.current);
  }

  /** Writes words [first, first + words.length) of the current bits. */
  writeWords(words: Int32Array, first: number): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    pwriteFully(
      this.#storage,
      this.#object.mapFd,
      bytes,
      0,
      bytes.length,
      this.#layout.current + IMAGE_HEADER + first * 4,
    );
  }

  /**
   * Rewrites the whole current image. Bits first: the header carries the boot id that makes them count, and a kill in
   * between must not make another boot's bits count.
   */
  writeCurrent(state: BlockState): void {
    const bits = state.copyBits();
    if (bits.length > 0) {
      pwriteFully(this.#storage, this.#object.mapFd, bits, 0, bits.length, this.#layout.current + IMAGE_HEADER);
    }
    this.writeHeader(state);
  }

  /** Writes a durable slot. The caller syncs; until then the other slot must stay as it is. */
  writeSlot(slot: 0 | 1, image: MapImage): void {
    const bytes = encodeDurable(this.#object.objectId, image);
    pwriteFully(this.#storage, this.#object.mapFd, bytes, 0, bytes.length, this.#layout.slots[slot]);
  }

  sync(): void {
    this.#storage.fdatasync(this.#object.mapFd);
  }

  /**
   * Notes that the slot with this sequence is durable, so that its later damage is told from a write that was cut off.
   * A second witness only: a failure to write it takes nothing back from the sync that just succeeded.
   */
  writeMark(sequence: number): void {
    const mark = encodeMark(sequence);
    try {
      pwriteFully(this.#storage, this.#object.mapFd, mark, 0, mark.length, MARK_OFFSET);
    } catch {
      // The next sync writes a newer one.
    }
  }
}

/**
 * Creates a block map with nothing present and no durable image. Not synced. The object must already have baseLength
 * bytes. Returns the open file descriptor; on failure nothing is left behind.
 * @throws EEXIST when the path exists; any error of the storage.
 */
export function createMap(
  storage: DiffStorage,
  path: string,
  options: MapIdentity & { readonly bootId: string },
): number {
  if (!/^[0-9a-f]{32}$/.test(options.objectId)) {
    throw new PbkfsError('internal', `not an object id: ${options.objectId}`);
  }
  const { baseLength } = options;
  const layout = mapLayout(baseLength);
  const bytes = new Uint8Array(MAP_PAGE + IMAGE_HEADER);
  bytes.set(encodeIdentity(options), 0);
  const boot = bootIdBytes(options.bootId);
  bytes.set(encodeCurrent(options.objectId, boot, baseLength, baseLength, bitsBytes(baseLength)), layout.current);
  const fd = storage.open(path, 'create');
  try {
    // With its space, also of the slots: an fsync must not fail for want of room, which PostgreSQL takes for a lost disk.
    storage.allocate(fd, 0, layout.end);
    pwriteFully(storage, fd, bytes, 0, bytes.length, 0);
    return fd;
  } catch (error) {
    closeQuietly(storage, fd);
    unlinkQuietly(storage, path);
    throw error;
  }
}
