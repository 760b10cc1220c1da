// The plain data that the backup reader hands out; all of it can be cloned between threads and written as JSON.

import type { CompressAlg } from './codec/names.js';
import type { FirstBlock } from './first-block.js';

/**
 * How stored bytes are checked before they are served. `structure`: record headers and decoded sizes; `checksum`: also
 * every page's checksum of the header map and the listed CRC of raw files; `off`: only what decoding needs.
 */
export type VerifyMode = 'checksum' | 'structure' | 'off';

export type BackupMode = 'FULL' | 'PAGE' | 'PTRACK' | 'DELTA';

/** Status words of backup.control (format page 2.3). INVALID also stands for a missing or unknown status. */
export type BackupStatus =
  | 'OK'
  | 'DONE'
  | 'RUNNING'
  | 'ERROR'
  | 'CORRUPT'
  | 'ORPHAN'
  | 'MERGING'
  | 'MERGED'
  | 'DELETING'
  | 'INVALID';

/** What one backup directory says about itself. Also made for broken directories: then `problem` is set. */
export interface BackupInfo {
  /** The catalog's own spelling: base36 of the start time, or the directory's name where control gives none. */
  readonly id: string;
  /** Absolute path of the backup's directory, a byte string (latin1). */
  readonly directory: string;
  readonly mode: BackupMode | undefined;
  readonly status: BackupStatus;
  /** Set when backup.control is missing, unreadable or lacks what a reader needs; such a backup is never mountable. */
  readonly problem: string | undefined;
  /** Oddities that do not stop a reader. */
  readonly warnings: readonly string[];
  readonly parentId: string | undefined;
  /** Seconds since 1970. The identity of a backup inside pg_probackup. */
  readonly startTime: number | undefined;
  readonly endTime: number | undefined;
  /** Present only in a backup made by merge. */
  readonly mergeTime: number | undefined;
  readonly recoveryTime: number | undefined;
  readonly startLsn: string | undefined;
  readonly stopLsn: string | undefined;
  readonly timeline: number | undefined;
  /** True: the WAL needed for consistency lies inside the backup; false: only in the archive. */
  readonly stream: boolean;
  readonly blockSize: number;
  readonly xlogBlockSize: number;
  /** 1 when the source cluster had data checksums. */
  readonly checksumVersion: number;
  readonly programVersion: string | undefined;
  /** a*10000 + b*100 + c of the program that made or merged the backup; selects format variants. */
  readonly version: number;
  readonly serverVersion: string | undefined;
  /** Default of the backup, as written; each file names its own. */
  readonly compressAlg: string | undefined;
  readonly dataBytes: number | undefined;
  readonly walBytes: number | undefined;
  readonly pgdataBytes: number | undefined;
  readonly primaryConninfo: string | undefined;
  readonly externalDirs: string | undefined;
  readonly note: string | undefined;
  /** CRC-32C of backup_content.control; 0 = not recorded. */
  readonly contentCrc: number;
}

/** A backup with everything it is built on: members[0] is the FULL, the last member is the target. */
export interface Chain {
  readonly instance: string;
  readonly target: BackupInfo;
  readonly members: readonly BackupInfo[];
  /** Newer backups that `latest` was not, newest first. Empty where a backup was asked for by its id. */
  readonly passedOver: readonly PassedOver[];
}

export interface PassedOver {
  readonly backupId: string;
  readonly reason: string;
}

/** One name of the target's tree. */
export interface TreeEntry {
  /** Relative to PGDATA, a byte string (latin1). */
  readonly path: string;
  /** Full st_mode of the content list (type bits included). */
  readonly mode: number;
  /** Logical bytes; 0 for directories. */
  readonly size: number;
  readonly kind: 'dir' | 'raw' | 'datafile';
}

/** Where a file's chunk of page_header_map lies (format page 5). */
export interface HeaderChunk {
  readonly file: string;
  readonly off: number;
  readonly size: number;
  readonly crc: number;
  readonly nHeaders: number;
}

/** Which CRC pg_probackup used for stored files: 2.0.22 to 2.0.24 wrote CRC-32, all others CRC-32C. */
export type FileCrcKind = 'crc32c' | 'crc32';

/** One backup's page stream of a datafile. */
export interface StreamPart {
  /** Index into chain.members. */
  readonly layer: number;
  readonly backupId: string;
  /** Absolute path (latin1). */
  readonly file: string;
  /** Bytes of the stream by the content list; the file may be longer. */
  readonly storedSize: number;
  readonly compressAlg: CompressAlg;
  /** Payloads are padded to 8 bytes (program versions before 2.4.0). */
  readonly padded: boolean;
  /** Blocks >= cap of this part must not be used: newer members say that the file was shorter. */
  readonly cap: number;
  readonly crc: number;
  readonly crcKind: FileCrcKind;
  readonly header: HeaderChunk | null;
  /** The part of the FULL: it must hold every block below its own length. */
  readonly full: boolean;
  /** The FULL was made by merge: blocks behind its last record may be zero pages that were never stored. */
  readonly merged: boolean;
  /** Length in blocks the member's list gives; -1 = unknown. */
  readonly nBlocks: number;
  /** A record of compressed_size -2 may cut the file (versions before 2.3.0). */
  readonly truncationMarkers: boolean;
  /** Zeros may stand in the place of records that no member of a merged chain had (FULL, versions before 2.4.0). */
  readonly emptyRecords: boolean;
  /** A record of 8192 bytes may be a compressed page all the same (versions before 2.0.23). */
  readonly fullSizeMayBeCompressed: boolean;
  /** The source cluster had data checksums, so that pd_checksum can stand in for a lost header map. */
  readonly pageChecksums: boolean;
}

export interface RawSource {
  readonly kind: 'raw';
  readonly path: string;
  readonly size: number;
  /** Absolute path (latin1) of the stored copy; null = empty file. */
  readonly file: string | null;
  readonly crc: number;
  readonly crcKind: FileCrcKind;
  /** Index into chain.members of the copy. */
  readonly layer: number;
  readonly backupId: string;
  /** See DatafileSource. */
  readonly identities?: readonly number[];
}

export interface DatafileSource extends FirstBlock {
  readonly kind: 'datafile';
  readonly path: string;
  /** Logical bytes, nBlocks * 8192. */
  readonly length: number;
  readonly nBlocks: number;
  /** Newest first. */
  readonly layers: readonly StreamPart[];
  /** The newest DELTA backup that read the file, and how many of its blocks then must be in the chain. */
  readonly readWhole: { readonly backupId: string; readonly blocks: number } | null;
  /** What storedIdentities found when the source was first used, set by whoever keeps it in use. */
  readonly identities?: readonly number[];
}

export type FileSource = RawSource | DatafileSource;

/**
 * Where each block of a datafile lies; views on memory the caller owns (usually shared).
 *
 *     info   31        30            29            28..26  25..14             13..0
 *            verified  has checksum  own checksum  0       index into layers  payload bytes 1..8192; 0 = hole, more: block-info.ts
 */
export interface BlockIndex {
  /** File offset of the block's 8-byte record header. */
  readonly offset: Uint32Array;
  readonly info: Uint32Array;
  /** Checksum of the page by the header map. */
  readonly checksum: Uint16Array;
}
