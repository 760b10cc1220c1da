// The backup reader: what is in a pg_probackup catalog. Knows nothing of FUSE or diffs.

export { backupIdOf } from './backup-id.js';
export { buildBlockIndex, createBlockIndex } from './block-index.js';
export { blockChecksums, blockPlace } from './block-place.js';
export { byteString, displayPath } from './byte-path.js';
export { type Catalog, findBackup, openCatalog } from './catalog.js';
export { checkBackup, findPassedOver, memberIds, passedOverWarning, resolveChain } from './chain.js';
export { ChainReader, openChain, openKeptChain } from './chain-reader.js';
export { type ChainChange, ChainWatch, chainChanges } from './chain-watch.js';
export { checksumSwitch } from './checksum-switch.js';
export type { CompressAlg } from './codec/names.js';
export { BLCKSZ, RELSEG_BLOCKS } from './constants.js';
export { crc32c } from './crc.js';
export { damagedFile, openStored } from './damage.js';
export { externalDirectories } from './external-directories.js';
export { DigestStore } from './lists/digest-store.js';
export type { PathTable } from './lists/path-table.js';
export { isLost, lostBecause } from './lost-blocks.js';
export { pageChecksum } from './page-checksum.js';
export { type FdOf, PageReader } from './page-reader.js';
export { PG_CONTROL_PATH, parsePgControl, pgControlCrc } from './pg-control.js';
export { openRaw, readRaw, verifyRaw, verifyRawFd } from './raw-reader.js';
export { storedIdentities, storedIdentity } from './stored-identity.js';
export type {
  BackupInfo,
  BackupMode,
  BlockIndex,
  Chain,
  DatafileSource,
  FileSource,
  PassedOver,
  RawSource,
  StreamPart,
  TreeEntry,
  VerifyMode,
} from './types.js';
export { isDamage, type Problem } from './validate/problem.js';
export { validateChain } from './validate/validate.js';
