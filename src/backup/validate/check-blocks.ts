// Blocks of a file of the target that no member of its chain holds, although they must be somewhere.

import { PbkfsError } from '../../errors.js';
import { buildBlockIndex, createBlockIndex } from '../block-index.js';
import { openChain } from '../chain-reader.js';
import { isLost, lostBecause, mayLackBlocks } from '../lost-blocks.js';
import { storesZeroPages } from '../program-version.js';
import type { Chain, DatafileSource } from '../types.js';
import type { Problem } from './problem.js';

export interface BlocksCheck {
  readonly kind: 'blocks';
  readonly source: DatafileSource;
}

/** Of one file, more lost blocks than this are only counted. */
const MAX_BLOCKS_TOLD = 20;

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
  const common = { backup: source.readWhole!.backupId, file: source.path } as const;
  const problems: Problem[] = [];
  let lost = 0;
  for (let block = 0; block < source.nBlocks; block++) {
    if (!isLost(index, block)) continue;
    lost++;
    if (lost <= MAX_BLOCKS_TOLD) problems.push({ kind: 'page', ...common, block, message: lostBecause(source) });
  }
  if (lost > MAX_BLOCKS_TOLD) {
    problems.push({
      kind: 'file',
      ...common,
      message: `${lost - MAX_BLOCKS_TOLD} more of its blocks are in no backup`,
    });
  }
  return problems;
}

/** @returns undefined when the catalog is at fault */
function tolerantly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof PbkfsError) return undefined;
    throw error;
  }
}
