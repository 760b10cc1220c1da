// Archived WAL of a catalog.

export { isWalName, WalArchive, walDirectory } from './archive.js';
export {
  DEFAULT_SEGMENT_SIZE,
  formatLsn,
  historyName,
  isSegmentName,
  type Lsn,
  parseLsnNumber,
  parseSegmentName,
  segmentName,
} from './lsn.js';
export { endsTransaction, type WalEvent } from './record-events.js';
export { walkRecords } from './record-walk.js';
export { isWalBlockSize } from './segment-header.js';
export { checkTarget, formatTime, isoTime, type RecoveryTarget } from './target.js';
export type { TimelineTarget } from './timelines.js';
export type { WalRange } from './wal-pages.js';
export { WalPath } from './wal-path.js';
