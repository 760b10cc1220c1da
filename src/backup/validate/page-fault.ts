// Whether a page makes sense in a backup: PostgreSQL's header, and an LSN that the backup can know.

import { hasSaneHeader } from '../page-header.js';
import { formatLsn, formatLsnHalves, type Lsn } from '../wal/lsn.js';
import type { ProblemKind } from './problem.js';

/** What is wrong with one page. */
export interface PageFault {
  readonly kind: Extract<ProblemKind, 'page' | 'future'>;
  readonly message: string;
}

/**
 * The checks pg_probackup validate makes of every page that is not empty (2.5.16, data.c:validate_one_page).
 * @param at where in `bytes` the page begins
 * @param stop where the backup ends, or undefined when unknown
 * @returns what is wrong
 */
export function pageFault(bytes: Uint8Array, at: number, stop: Lsn | undefined): PageFault | undefined {
  if (!hasSaneHeader(bytes, at)) return { kind: 'page', message: 'its page header makes no sense' };
  if (stop === undefined) return undefined;
  const [high, low] = [u32(bytes, at), u32(bytes, at + 4)];
  if (high * 2 ** 32 + low <= stop) return undefined;
  const message = `its LSN ${formatLsnHalves(high, low)} is later than the backup's end ${formatLsn(stop)}`;
  return { kind: 'future', message };
}

// Not Buffer's methods: this is inlined into the loop over all pages.
const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
