// The mutations the model check combines, over a base of two blocks and a quarter.

import type { Mutation } from './oracle.js';

export const alphabet = {
  'write block 0': { kind: 'write', from: 0, to: 8192 },
  'write part of block 1': { kind: 'write', from: 10240, to: 14336 },
  'truncate to 0': { kind: 'truncate', to: 0 },
  'truncate to 1 block': { kind: 'truncate', to: 8192 },
  'truncate inside block 1': { kind: 'truncate', to: 10240 },
  'extend to 3 blocks': { kind: 'extend', to: 24576 },
  'write beyond the end': { kind: 'write', from: 26624, to: 28672 },
  'hole of blocks 0 and 1': { kind: 'hole', from: 0, to: 16384 },
} as const satisfies Record<string, Mutation>;

/** The few that between them fill a block, cut one, cut everything and grow again. */
export const core = {
  'write part of block 1': alphabet['write part of block 1'],
  'truncate to 1 block': alphabet['truncate to 1 block'],
  'truncate inside block 1': alphabet['truncate inside block 1'],
  'extend to 3 blocks': alphabet['extend to 3 blocks'],
} as const;

/** Writes and holes that touch several blocks, partly the base's, in one call; used where one operation is looked at closely. */
export const across: Readonly<Record<string, Mutation>> = {
  ...alphabet,
  'write across blocks 0 and 1': { kind: 'write', from: 6144, to: 10240 },
  'write across the end of the base': { kind: 'write', from: 14336, to: 22528 },
  'write all blocks': { kind: 'write', from: 2048, to: 30720 },
  'hole in blocks 0 to 2': { kind: 'hole', from: 2048, to: 18432 },
};
