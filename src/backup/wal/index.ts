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
export { reachOf, reachText, type TimelineReach } from './reach.js';
export { type DatabasePlace, endsTransaction, type WalEvent } from './record-events.js';
export { walkRecords } from './record-walk.js';
export { isWalBlockSize } from './segment-header.js';
export { checkTarget, type RecoveryTarget } from './target.js';
export { formatTime, isoTime } from './time-text.js';
export type { TimelineTarget } from './timelines.js';
export type { WalRange } from './wal-pages.js';
export { WalPath } from './wal-path.js';
