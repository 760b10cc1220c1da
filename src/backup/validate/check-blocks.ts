// Blocks of a file of the target that no member of its chain holds, although they must be somewhere.

import { buildBlockIndex, createBlockIndex } from '../block-index.js';
import { openChain } from '../chain-reader.js';
import { isLost, lostBecause, mayLackBlocks } from '../lost-blocks.js';
import { storesZeroPages } from '../program-version.js';
import type { Chain, DatafileSource } from '../types.js';
import { blocksWhere, lostProblems } from './lost-problems.js';
import type { Problem } from './problem.js';
import { tolerantly } from './tolerantly.js';

export interface BlocksCheck {
  readonly kind: 'blocks';
  readonly source: DatafileSource;
}

/** The files whose lists do not tell that all blocks are there. A chain or file that contradicts itself is left to other checks. */
export function planBlocks(chain: Chain): BlocksCheck[] {
  const checks: BlocksCheck[] = [];
  const reader = chain.members.some(storesZeroPages) ? tolerantly(() => openChain(chain)) : undefined;
  if (reader === undefined) return checks;
  for (let file = 0; file < reader.paths.count; file++) {
    if (reader.kind(file) !== 'datafile') continue;
    const source = tolerantly(() => reader.resolve(reader.paths.path(file)));
    if (source?.kind === 'datafile' && mayLackBlocks(source)) checks.push({ kind: 'blocks', source });
  }
  return checks;
}

/** @returns nothing when a stream is damaged: its own check tells it */
export function checkBlocks({ source }: BlocksCheck): Problem[] {
  const index = createBlockIndex(source.nBlocks);
  if (tolerantly(() => buildBlockIndex(source, index)) === undefined) return [];
  const blocks = blocksWhere(source.nBlocks, (block) => isLost(index, block));
  return lostProblems({ backup: source.readWhole!.backupId, file: source.path }, blocks, lostBecause(source));
}
