// Loading a block map at mount: which image counts, and making it whole and durable before anybody is served.

import { PbkfsError } from '../../errors.js';
import { BlockState, flag, type StateRegion } from './block-state.js';
import { syncState, takeSnapshot } from './durable-image.js';
import { MapFile } from './map-file.js';
import {
  bitsBytes,
  bootIdBytes,
  decodeCurrent,
  decodeDurable,
  decodeIdentity,
  decodeMark,
  IMAGE_HEADER,
  MAP_PAGE,
  type MapImage,
  mapLayout,
} from './map-format.js';
import type { OpenObject } from './object.js';
import { type DiffStorage, preadFully } from './storage.js';

export interface LoadOptions {
  /** Must equal what the map was created with. */
  readonly baseIdentity: string;
  readonly baseLength: number;
  readonly bootId: string;
  /** The file system may have forgotten un-synced data although the boot id is the same. */
  readonly afterPowerLoss?: boolean;
  /**
   * The predecessor unmounted cleanly, so everything is durable already, no sync is needed, and any difference between
   * object, current and durable image is damage. Default false: what a killed predecessor left un-synced is synced and
   * promoted before this returns.
   */
  readonly cleanlyClosed?: boolean;
  /**
   * False: what a killed predecessor left un-synced stays so, unless the host has lost its page cache; the caller sees to
   * its sync. Default true.
   */
  readonly promote?: boolean;
}

interface Contents {
  readonly identityWhole: boolean;
  readonly page: Uint8Array;
  readonly slots: readonly (MapImage | undefined)[];
  readonly newest: -1 | 0 | 1;
}

function damaged(object: OpenObject, what: string, hint: string): PbkfsError {
  return new PbkfsError('diff_damaged', `block map ${object.directory}/${object.objectId}.map ${what}`, { hint });
}

const RESTORE_HINT =
  'The diff cannot be trusted any more: restore it from a copy, or start with a new, empty diff on the same backup.';

/**
 * Fills a file's shared state from its map. What it then says is durable, unless `promote` is false.
 *
 * - Same boot: the current image counts. A length the kill cut in half is settled to the shorter of map and object.
 * - Another boot, or `afterPowerLoss`: the newest durable image, cut to the object's size, becomes both images.
 *
 * @returns 'ignore' when the object was never synced and the host lost its page cache: the base is what counts, and
 *   the object and its map may be removed. For a file without base (baseLength 0) it means the file is gone.
 * @throws PbkfsError diff_damaged when an image known durable is broken or the map belongs to something else; errors of
 *   the storage (then nothing was decided; loading again is safe).
 */
export function loadMap(
  storage: DiffStorage,
  object: OpenObject,
  options: LoadOptions,
  region: StateRegion,
): 'loaded' | 'ignore' {
  const state = new BlockState(region, options.baseLength);
  const boot = bootIdBytes(options.bootId);
  if (options.cleanlyClosed !== true) {
    // What the slots say may be in the page cache only. It must reach the disk before the older slot is written over,
    // or one power cut could take both.
    storage.fdatasync(object.objectFd);
    storage.fdatasync(object.mapFd);
  }
  const contents = readContents(storage, object, options);
  const newest = contents.newest < 0 ? undefined : contents.slots[contents.newest];
  const current = decodeCurrent(object.objectId, readHeader(storage, object, options.baseLength));
  const lost = options.afterPowerLoss === true || current === 'none' || isOtherBoot(current, boot);
  checkWitnesses(object, contents, newest, lost, current === 'broken');

  const map = new MapFile(storage, object, options.baseLength);
  const size = storage.size(object.objectFd);
  if (options.cleanlyClosed === true && newest === undefined)
    throw damaged(object, 'has no durable image', RESTORE_HINT);
  if (options.cleanlyClosed === true && newest?.complete === false && size < newest.length) {
    throw damaged(object, `says ${newest.length} bytes, and its object has ${size}`, RESTORE_HINT);
  }
  if (newest?.complete === true) {
    state.reset(size, 0, boot);
    adoptSlot(state, contents.newest, newest.sequence);
    state.raise(flag.complete);
    return 'loaded';
  }
  if (!lost && typeof current === 'object') {
    state.reset(Math.min(current.length, size), Math.min(current.baseLimit, current.length, size), boot);
    state.setBits(readBits(storage, object, options.baseLength));
    adoptSlot(state, contents.newest, newest?.sequence ?? 0);
    if (options.cleanlyClosed === true && newest !== undefined && !sameImage(state, newest)) {
      throw damaged(object, 'has a current image that is not its durable one', RESTORE_HINT);
    }
    if (size > state.length) storage.ftruncate(object.objectFd, state.length);
    if (size !== current.length) map.writeHeader(state);
    if (newest === undefined || !sameImage(state, newest)) state.noteMapChange();
    if (size > state.length) state.noteDataChange();
  } else {
    if (newest === undefined) return 'ignore';
    const length = Math.min(newest.length, size);
    state.reset(length, Math.min(newest.baseLimit, length), boot);
    state.setBits(newest.bits);
    adoptSlot(state, contents.newest, newest.sequence);
    map.writeCurrent(state);
    // After a power loss also to the length it has already, unless a block of the file system ends there: behind it, in
    // the same block on the disk, there may be data that was written while the file was longer, and ext4 shows it as
    // soon as the file grows again. Truncating makes zeros of it.
    if (size > length || (options.cleanlyClosed !== true && length % MAP_PAGE !== 0)) {
      storage.ftruncate(object.objectFd, length);
      state.noteDataChange();
    }
    // The cut image must replace the longer one: after a later extension the object's size would vouch for it again.
    // Without a cut nothing need be synced: the current image is of this boot and dies with its page cache.
    if (length < newest.length) state.noteMapChange();
  }
  if (lost || options.promote !== false) syncState(storage, object, map, state, takeSnapshot(state, false));
  return 'loaded';
}

function isOtherBoot(current: ReturnType<typeof decodeCurrent>, boot: Uint8Array): boolean {
  return typeof current === 'object' && !current.boot.every((byte, at) => byte === boot[at]);
}

function adoptSlot(state: BlockState, slot: -1 | 0 | 1, sequence: number): void {
  state.durableSlot = slot;
  state.sequence = sequence;
}

function sameImage(state: BlockState, image: MapImage): boolean {
  if (state.length !== image.length || state.baseLimit !== image.baseLimit) return false;
  return state.copyBits().every((byte, at) => byte === image.bits[at]);
}

function readHeader(storage: DiffStorage, object: OpenObject, baseLength: number): Uint8Array {
  const header = new Uint8Array(IMAGE_HEADER);
  preadFully(storage, object.mapFd, header, mapLayout(baseLength).current);
  return header;
}

function readBits(storage: DiffStorage, object: OpenObject, baseLength: number): Uint8Array {
  const bits = new Uint8Array(bitsBytes(baseLength));
  preadFully(storage, object.mapFd, bits, mapLayout(baseLength).current + IMAGE_HEADER);
  return bits;
}

function readContents(storage: DiffStorage, object: OpenObject, options: LoadOptions): Contents {
  const page = new Uint8Array(MAP_PAGE);
  preadFully(storage, object.mapFd, page, 0);
  const identity = decodeIdentity(page);
  if (identity === 'newer') {
    throw damaged(object, 'has a format version this program does not know', 'Use the pbkfs version that wrote it.');
  }
  if (
    identity !== undefined &&
    (identity.objectId !== object.objectId ||
      identity.baseIdentity !== options.baseIdentity ||
      identity.baseLength !== options.baseLength)
  ) {
    throw damaged(object, `belongs to object ${identity.objectId} over ${identity.baseIdentity}`, RESTORE_HINT);
  }
  const slots = mapLayout(options.baseLength).slots.map((position) => {
    const slot = new Uint8Array(IMAGE_HEADER + bitsBytes(options.baseLength));
    preadFully(storage, object.mapFd, slot, position);
    return decodeDurable(object.objectId, slot);
  });
  const [a = -1, b = -1] = slots.map((slot) => slot?.sequence);
  const newest = a < 0 && b < 0 ? -1 : a > b ? 0 : 1;
  return { identityWhole: identity !== undefined, page, slots, newest };
}

/** Refuses maps in which something that was known to be durable is broken. */
function checkWitnesses(
  object: OpenObject,
  contents: Contents,
  newest: MapImage | undefined,
  lost: boolean,
  currentBroken: boolean,
): void {
  if (decodeMark(contents.page) > (newest?.sequence ?? 0)) {
    throw damaged(object, 'has lost its newest durable image', RESTORE_HINT);
  }
  if (!contents.identityWhole && (newest !== undefined || !lost)) {
    throw damaged(object, 'has a broken first page', RESTORE_HINT);
  }
  if (currentBroken && !lost) {
    throw damaged(
      object,
      'has a broken current image',
      'If the host lost power or the file system was shut down by force, use --after-power-loss: the last fsynced state counts then.',
    );
  }
}
