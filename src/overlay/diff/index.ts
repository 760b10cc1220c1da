// The diff's on-disk format: objects with block maps, and the journal. Knows nothing of names, inodes or FUSE.

export { bootId } from '../../sys/process-identity.js';
export { type StateRegion, stateSize } from './block-state.js';
export { type BaseReader, DiffFile } from './diff-file.js';
export type { Snapshot } from './durable-image.js';
export { failedBefore } from './failed-sync.js';
export { heldBlocks } from './held-blocks.js';
export { Journal } from './journal.js';
export type { RawRecord } from './journal-format.js';
export { loadMap } from './load-map.js';
export { refuseLostJournal } from './lost-journal.js';
export { forgetLostWrites, hasLostWrites, markLostWrites } from './lost-writes.js';
export { mapBlocks } from './map-format.js';
export { NodeStorage } from './node-storage.js';
export {
  closeObject,
  createObject,
  listObjects,
  newObjectId,
  type OpenObject,
  objectPaths,
  openObject,
  removeObject,
} from './object.js';
export { coveredBySpare, keepSpare, SPARE_FILE, useSpare } from './spare-room.js';
export type { DiffStorage, OpenMode } from './storage.js';
export { isFull, refusedByStorage } from './storage-trouble.js';
