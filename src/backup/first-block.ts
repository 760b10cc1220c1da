// The number of a file's first block, by which its pages' checksums count.

import { RELSEG_BLOCKS } from './constants.js';

export interface FirstBlock {
  /** Of the whole relation, which page checksums count by: the number of the file's first block. */
  readonly firstBlock: number;
  /**
   * What header maps may count by in its place: segments of 1 GiB where pg_probackup was built with another segment size
   * than the cluster's server, which it does not ask for; and 0 in every file of pg_probackup 2.5.9, also where a later
   * merge copied its maps. Empty for the first segment.
   */
  readonly mapFirstBlocks: readonly number[];
}

/** @param segmentBlocks blocks of a full segment file of the cluster */
export function firstBlockOf(segno: number, segmentBlocks: number): FirstBlock {
  const firstBlock = segno * segmentBlocks;
  const others = new Set([segno * RELSEG_BLOCKS, 0]);
  others.delete(firstBlock);
  return { firstBlock, mapFirstBlocks: [...others] };
}
