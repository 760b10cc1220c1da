// pg_probackup program versions and the differences in format that hang on them (format page 14).

import { BLCKSZ } from './constants.js';
import type { BackupInfo, BackupMode, FileCrcKind } from './types.js';

const number = (major: number, minor: number, patch: number) => major * 10000 + minor * 100 + patch;

/** Oldest version whose page streams this reader knows; 2.0.14 brought page compression and today's record header. */
const oldestKnown = number(2, 0, 14);
const firstUnknown = number(3, 0, 0);

/** Turns "2.5.16" into 20516. Enterprise suffixes are ignored. @returns undefined when it is no version */
export function parseProgramVersion(text: string): number | undefined {
  const match = /^\s*(\d{1,4})\.(\d{1,2})\.(\d{1,2})(?!\d)/.exec(text);
  return match === null ? undefined : number(Number(match[1]), Number(match[2]), Number(match[3]));
}

/** Why backups of this version cannot be read, or undefined when they can. */
export function versionProblem(version: number): string | undefined {
  if (version >= firstUnknown) return 'made by pg_probackup 3 or later, whose format is a different one';
  if (version < oldestKnown) return 'made by a pg_probackup before 2.0.14, whose page format is not known';
  return undefined;
}

/** Before 2.4.0 payloads of page streams are padded to a multiple of 8 bytes. */
export function paddedPayloads(version: number): boolean {
  return version < number(2, 4, 0);
}

/**
 * Before 2.3.0 a stream of any mode may end by a record that cuts the file: in a FULL or DELTA backup the relation became
 * shorter after it was listed and before its end was read.
 */
export function hasTruncationMarkers(version: number): boolean {
  return version < number(2, 3, 0);
}

/**
 * Before 2.3.0 merge wrote the pages of an uncompressed FULL to their places in its stream, and left zeros where no member
 * had one. Versions before 2.4.0 pass these zeros over, later ones refuse the file.
 */
export function hasEmptyRecords(version: number, mode: BackupMode | undefined): boolean {
  return version < number(2, 4, 0) && mode === 'FULL';
}

/** Before 2.0.23 a page that compressed to exactly 8192 bytes looks like a raw one. */
export function fullSizeMayBeCompressed(version: number): boolean {
  return version < number(2, 0, 23);
}

/** The CRC of stored files. */
export function fileCrcKind(version: number): FileCrcKind {
  return version >= number(2, 0, 22) && version <= number(2, 0, 24) ? 'crc32' : 'crc32c';
}

/**
 * Before 2.0.27 a file that went while it was backed up was listed as unchanged, in a FULL too; and so was, by the oldest
 * of these versions, an empty relation that was new in a PAGE backup.
 */
export function vanishedIsUnchanged(version: number): boolean {
  return version < number(2, 0, 27);
}

/**
 * A DELTA backup that leaves out no page but those older than its parent: since 2.0.22 it stores pages of zeros always;
 * before 2.0.27 "unchanged" may also be a file that it did not read (above).
 */
export function storesZeroPages({ version, mode }: Pick<BackupInfo, 'version' | 'mode'>): boolean {
  return mode === 'DELTA' && !vanishedIsUnchanged(version);
}

/**
 * 2.1.4 to 2.2.1 wrote their lists in pieces of this size at most, and forgot the line that did not fit into a piece any
 * more (pg_probackup issue 132).
 */
const LIST_PIECE = 500 * BLCKSZ;

/** Whether a content list of so many bytes lacks a file that was backed up. */
export function lostListLines(version: number, listBytes: number): boolean {
  return version >= number(2, 1, 4) && version <= number(2, 2, 1) && listBytes >= LIST_PIECE;
}
