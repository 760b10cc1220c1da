// global/pg_control: the CRC that PostgreSQL keeps inside it, which content lists repeat instead of the file's own.

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

/** The cluster's identity: the first 8 bytes. @returns undefined when the image is damaged */
export function systemIdentifierOf(image: Uint8Array): bigint | undefined {
  if (pgControlCrc(image) === undefined) return undefined;
  return new DataView(image.buffer, image.byteOffset, image.byteLength).getBigUint64(0, true);
}
