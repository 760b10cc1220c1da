// CRC-32C and CRC-32 a byte at a time, for where the native module cannot be loaded.

import type { FileCrcKind } from './types.js';

type Crc = (bytes: Uint8Array, start?: number) => number;

/** @param polynomial with its bits reversed */
function crcOf(polynomial: number): Crc {
  let table: Int32Array | undefined;
  return (bytes, start = 0) => {
    table ??= tableOf(polynomial);
    let crc = ~start;
    for (const byte of bytes) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}

function tableOf(polynomial: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
}

export const slowCrc: Readonly<Record<FileCrcKind, Crc>> = { crc32c: crcOf(0x82f63b78), crc32: crcOf(0xedb88320) };
