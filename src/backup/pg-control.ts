// global/pg_control: the CRC that PostgreSQL keeps inside it, which content lists repeat instead of the file's own; the
// cluster's identity, and how long its segment files are.

import { BLCKSZ } from './constants.js';
import { crc32c } from './crc.js';

/** Path whose listed crc is the CRC field inside the file (format page 8). */
export const PG_CONTROL_PATH = 'global/pg_control';

/** Bytes of ControlFileData in the versions of PostgreSQL there are; the CRC is its last field (PG 15: offset 288). */
const firstOffset = 200;
const lastOffset = 504;

/**
 * Finds the CRC field of a pg_control image: the 4 bytes that hold the CRC-32C of everything before them.
 * @returns its value, or undefined when the image is damaged
 */
export function pgControlCrc(image: Uint8Array): number | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  for (let at = firstOffset; at <= lastOffset && at + 4 <= image.length; at += 4) {
    const field = view.getUint32(at, true);
    if (field === crc32c(image.subarray(0, at))) return field;
  }
  return undefined;
}

/** floatFormat of ControlFileData: the same in all versions, wherever it stands, and followed by blcksz and relseg_size. */
const FLOAT_FORMAT = 1234567;

export interface PgControl {
  /** The cluster's identity: the first 8 bytes. */
  readonly systemIdentifier: bigint;
  /** Blocks of one full segment file of a relation: 1 GiB, unless PostgreSQL was built --with-segsize; undefined when it does not say. */
  readonly segmentBlocks: number | undefined;
}

/** @returns undefined when the image is damaged */
export function parsePgControl(image: Uint8Array): PgControl | undefined {
  if (pgControlCrc(image) === undefined) return undefined;
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  return { systemIdentifier: view.getBigUint64(0, true), segmentBlocks: segmentBlocksIn(view) };
}

function segmentBlocksIn(view: DataView): number | undefined {
  for (let at = 0; at < lastOffset && at + 16 <= view.byteLength; at += 8) {
    if (view.getFloat64(at, true) !== FLOAT_FORMAT || view.getUint32(at + 8, true) !== BLCKSZ) continue;
    return view.getUint32(at + 12, true) || undefined;
  }
  return undefined;
}
