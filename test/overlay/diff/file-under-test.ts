// A DiffFile over a base in memory, on any storage, with the reading a data engine does.

import { BLCKSZ } from '../../../src/backup/constants.js';
import { BlockState } from '../../../src/overlay/diff/block-state.js';
import {
  type BaseReader,
  createObject,
  DiffFile,
  type DiffStorage,
  loadMap,
  type OpenObject,
  openObject,
  type StateRegion,
  stateSize,
} from '../../../src/overlay/diff/index.js';

export const BOOT = '11111111-2222-4333-8444-555555555555';
export const OTHER_BOOT = '99999999-2222-4333-8444-555555555555';
export const IDENTITY = 'S00001/base/1/16384';

/** A base file whose bytes are never zero. */
export function baseContent(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => 1 + ((at * 7 + (at >> 8)) % 200));
}

export function readerOf(content: Uint8Array): BaseReader {
  return {
    readBlock(block, out, outOffset) {
      out.fill(0, outOffset, outOffset + BLCKSZ);
      out.set(content.subarray(block * BLCKSZ, (block + 1) * BLCKSZ), outOffset);
    },
  };
}

export class FileUnderTest {
  readonly storage: DiffStorage;
  readonly base: Uint8Array;
  readonly region: StateRegion;
  readonly directory: string;
  object: OpenObject;
  file: DiffFile;

  constructor(storage: DiffStorage, directory: string, base: Uint8Array) {
    this.storage = storage;
    this.directory = directory;
    this.base = base;
    this.region = { buffer: new SharedArrayBuffer(stateSize(base.length)), byteOffset: 0 };
    const options = { baseIdentity: IDENTITY, baseLength: base.length, bootId: BOOT };
    this.object = createObject(storage, directory, options, this.region);
    this.file = this.view();
  }

  /** Another thread's view of the same file. */
  view(): DiffFile {
    return new DiffFile(this.storage, this.object, this.region, readerOf(this.base), this.base.length);
  }

  get state(): BlockState {
    return new BlockState(this.region, this.base.length);
  }

  sync(): void {
    this.file.sync(this.file.snapshot());
  }

  /** Forgets the shared state and loads the map again. */
  remount(options: { bootId?: string; afterPowerLoss?: boolean; cleanlyClosed?: boolean } = {}): 'loaded' | 'ignore' {
    new Uint8Array(this.region.buffer).fill(0xee);
    this.object = openObject(this.storage, this.directory, this.object.objectId);
    const identity = { baseIdentity: IDENTITY, baseLength: this.base.length };
    const result = loadMap(this.storage, this.object, { ...identity, bootId: BOOT, ...options }, this.region);
    this.file = this.view();
    return result;
  }

  /** The whole file, as a data engine reads it. */
  read(): Uint8Array {
    const length = this.file.length();
    const out = new Uint8Array(Math.ceil(length / BLCKSZ) * BLCKSZ);
    for (let block = 0; block * BLCKSZ < length; block++) {
      const at = block * BLCKSZ;
      if (this.file.isPresent(block))
        this.storage.pread(this.object.objectFd, out, at, Math.min(BLCKSZ, length - at), at);
      else readerOf(this.base).readBlock(block, out, at);
    }
    return out.subarray(0, length);
  }
}
