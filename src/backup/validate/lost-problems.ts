// Telling which blocks of a file are lost.

import type { Problem } from './problem.js';

/** Of one file, more lost blocks than this are only counted. */
const MAX_BLOCKS_TOLD = 20;

/** Those of the first `end` blocks that are `wanted`. */
export function blocksWhere(end: number, wanted: (block: number) => boolean): number[] {
  const blocks: number[] = [];
  for (let block = 0; block < end; block++) if (wanted(block)) blocks.push(block);
  return blocks;
}

export function lostProblems(
  file: Pick<Problem, 'backup' | 'file'>,
  blocks: readonly number[],
  message: string,
): Problem[] {
  const problems = blocks
    .slice(0, MAX_BLOCKS_TOLD)
    .map((block): Problem => ({ kind: 'page', ...file, block, message }));
  const more = blocks.length - problems.length;
  if (more > 0) problems.push({ kind: 'file', ...file, message: `${more} more of its blocks are in no backup` });
  return problems;
}
