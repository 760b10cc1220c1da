// Blocks that the cluster had and no backup of the chain holds any more: pg_probackup loses some (format page 7.6).

import { PbkfsError } from '../errors.js';
import { INFO_LOST, INFO_SIZE } from './block-info.js';
import { displayPath } from './byte-path.js';
import type { BlockIndex, DatafileSource } from './types.js';

/**
 * Marks the holes that cannot be pages which were never logged. A DELTA backup reads a file whole, stores every page of
 * zeros, and leaves out only pages that are older than its parent, so an older backup must hold those.
 * @param index of the source, built otherwise
 */
export function markLost({ readWhole, nBlocks }: DatafileSource, { info }: BlockIndex): void {
  const end = Math.min(readWhole?.blocks ?? 0, nBlocks);
  for (let block = 0; block < end; block++) {
    if (info[block] === 0) info[block] = INFO_LOST;
  }
}

/** Whether a block of a built index is lost. */
export function isLost({ info }: BlockIndex, block: number): boolean {
  return (info[block]! & INFO_SIZE) === INFO_LOST;
}

/** Whether what the lists say leaves room for lost blocks; most files can be told to have none without an index. */
export function mayLackBlocks({ readWhole, layers }: DatafileSource): boolean {
  if (readWhole === null) return false;
  const { blocks } = readWhole;
  return !layers.some(
    ({ cap, nBlocks, header, full, merged }) =>
      cap >= blocks && nBlocks >= blocks && ((full && !merged) || header?.nHeaders === nBlocks),
  );
}

/** Why a lost block is called so. */
export function lostBecause({ readWhole }: DatafileSource): string {
  return `no backup of the chain holds it, although DELTA backup ${readWhole!.backupId} has seen it in the cluster`;
}

/** The error of reading a lost block. */
export function lostBlock(source: DatafileSource, block: number): PbkfsError {
  const { backupId } = source.readWhole!;
  const place = { backup: backupId, file: displayPath(source.path), block };
  return new PbkfsError(
    'page_damaged',
    `backup ${backupId}, file ${place.file}: block ${block}: ${lostBecause(source)}`,
    {
      hint: 'pg_probackup lost it (docs/pg_probackup-format.md 7.6): restore gives zeros, and so does a mount with --verify=off',
      place,
    },
  );
}
