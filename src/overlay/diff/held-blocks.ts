// How many blocks of the diff one file takes, and what a change would make of that: what --diff-limit counts, but for
// the block map.

import { BLCKSZ } from '../../backup/constants.js';
import { BlockState, type StateRegion } from './block-state.js';

/** Blocks that the object of a state holds, holes beyond the base included. */
export function heldBlocks(region: StateRegion, baseLength: number): number {
  const state = new BlockState(region, baseLength);
  const { limitBlocks } = state;
  return state.countPresent(0, limitBlocks) + beyond(state.length, limitBlocks);
}

/**
 * Blocks that the object would hold in addition once data has come to [from, to) and the length has risen to `length`
 * (all in bytes). Blocks of the base count when they are replaced, those beyond it when the length covers them.
 */
export function growthOf(state: BlockState, from: number, to: number, length: number): number {
  const { limitBlocks, baseLimit } = state;
  const first = Math.floor(from / BLCKSZ);
  const end = to > from ? Math.min(Math.ceil(to / BLCKSZ), limitBlocks) : first;
  let count = 0;
  for (let block = first; block < end; block++) if (!state.isPresent(block)) count++;
  if (length <= state.length) return count;
  count += beyond(length, limitBlocks) - beyond(state.length, limitBlocks);
  // The block in which a truncate has cut the base moves to the object before the file grows over the cut.
  const cut = Math.floor(baseLimit / BLCKSZ);
  const isFetched = baseLimit !== state.baseLength && baseLimit % BLCKSZ !== 0 && !state.isPresent(cut);
  return isFetched && (cut < first || cut >= end) ? count + 1 : count;
}

/** Blocks that cutting the file to `length` bytes gives back; 0 when it does not get shorter. */
export function shrinkageOf(state: BlockState, length: number): number {
  if (length >= state.length) return 0;
  const { limitBlocks } = state;
  const kept = Math.ceil(Math.min(length, state.baseLimit) / BLCKSZ);
  return state.countPresent(kept, limitBlocks) + beyond(state.length, limitBlocks) - beyond(length, limitBlocks);
}

/** Blocks of a file of `length` bytes that no base has. */
function beyond(length: number, limitBlocks: number): number {
  return Math.max(0, Math.ceil(length / BLCKSZ) - limitBlocks);
}
