// Model check of the diff's format: all short sequences of operations, kills and power cuts, over the real code.
//
// The oracle is the contract; oracle.ts states it. Some traps of this kind of format that the sequences contain: a block
// promoted by an overlapping fsync, stale bits adopted by a later boot, a half-truncated length, an empty file after
// `write, cut`, zeros after `truncate, cut`, both durable slots lost to one cut.
//
// PBKFS_MODEL_CHECK=long goes deeper (17 minutes on a busy 2-core machine).

import t from 'tap';
import { alphabet, core } from './alphabet.js';
import { allMapCuts, allObjectCuts, explore, type Limits } from './explorer.js';

const all = { mutations: alphabet, objectCuts: allObjectCuts, mapCuts: allMapCuts, overlaps: [0, 1, 2, 3] };
const few = { ...all, mutations: core, overlaps: [1, 3] };

const short: Record<string, Limits> = {
  '2 of all operations, a crash before any storage call': { ...all, depth: 2, crashes: 1, inside: true },
  '2 of the core operations, 2 crashes before any storage call': { ...few, depth: 2, crashes: 2, inside: true },
  '3 of the core operations, a crash before any storage call': { ...few, depth: 3, crashes: 1, inside: true },
  '5 of the core operations, 2 crashes between them': { ...few, depth: 5, crashes: 2, inside: false },
};

const long: Record<string, Limits> = {
  '2 of all operations, 2 crashes before any storage call': { ...all, depth: 2, crashes: 2, inside: true },
  '3 of the core operations, 2 crashes before any storage call': { ...few, depth: 3, crashes: 2, inside: true },
  '3 of all operations, a crash before any storage call': { ...all, depth: 3, crashes: 1, inside: true },
  '5 of all operations, 2 crashes between them': { ...all, depth: 5, crashes: 2, inside: false },
};

// tap gives a file 30 s; a busy machine may need more.
t.setTimeout(process.env.PBKFS_MODEL_CHECK === 'long' ? 7_200_000 : 300_000);

const chosen = process.env.PBKFS_MODEL_CHECK === 'long' ? { ...short, ...long } : short;
for (const [name, limits] of Object.entries(chosen)) {
  t.test(`no sequence breaks the contract: ${name} (traps 17, 18, 22, 30, 31)`, { timeout: 7_200_000 }, async (t) => {
    const result = explore(limits);
    t.equal(result.counterexample, undefined);
    t.ok(result.worlds > 1000, `${result.worlds} worlds`);
    t.comment(`${result.actions} actions led to ${result.worlds} different worlds`);
  });
}
