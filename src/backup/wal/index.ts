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
