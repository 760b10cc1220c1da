// The base file of the model check, and how contents (small numbers) become bytes that name their place.

import { BLCKSZ } from '../../../src/backup/constants.js';
import type { BaseReader } from '../../../src/overlay/diff/index.js';
import { BASE, UNIT, ZERO } from './oracle.js';

export { BLCKSZ };
/** Two blocks and a quarter: the base ends in the middle of a block. */
export const BASE_LENGTH = 2 * BLCKSZ + UNIT;

/** A unit's content as a byte: the low half of each byte is the content, the high half names the unit. */
export const byteOf = (unit: number, content: number): number => (content === ZERO ? 0 : (unit << 4) | content);
export const contentOf = (unit: number, byte: number): number => {
  if (byte === 0) return ZERO;
  if (byte >> 4 !== unit) throw new Error(`unit ${unit} holds a byte of unit ${byte >> 4}`);
  return byte & 15;
};

export const base: BaseReader = {
  readBlock(block, out, outOffset) {
    for (let i = 0; i < BLCKSZ; i += UNIT) {
      const at = block * BLCKSZ + i;
      out.fill(at < BASE_LENGTH ? byteOf(at / UNIT, BASE) : 0, outOffset + i, outOffset + i + UNIT);
    }
  },
};
