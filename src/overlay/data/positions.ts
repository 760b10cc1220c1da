// Positions in files: which can be had, and which blocks they touch.

import { BLCKSZ } from '../../backup/index.js';
import { SystemError } from '../../errors.js';

/** Beyond 2^53 a position is no longer exact, and Node takes one it cannot represent for "where the last write ended". */
export function mustFit(end: number): void {
  if (end > Number.MAX_SAFE_INTEGER) throw new SystemError('EFBIG');
}

/** Blocks that have a byte in [position, position + length). */
export function blocksTouched(position: number, length: number): number {
  return length === 0 ? 0 : Math.floor((position + length - 1) / BLCKSZ) - Math.floor(position / BLCKSZ) + 1;
}
