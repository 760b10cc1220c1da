// A thread of index-storm.test.ts: reads random blocks of random files and compares them with what they must be.

import { parentPort, workerData } from 'node:worker_threads';
import type { FileSource } from '../../../src/backup/index.js';
import { Counters, createCounters, sumCounters } from '../../../src/metrics/counters.js';
import { DataEngine } from '../../../src/overlay/data/data-engine.js';
import { type SharedBuffers, SharedState } from '../../../src/overlay/shared/shared-state.js';
import { makePage } from '../../support/pages.js';

/** A file as the threads know it: `seed` tells its pages from those of others. */
export interface StormFile {
  readonly row: number;
  readonly generation: number;
  readonly source: string;
  readonly blocks: number;
  readonly seed: number;
}

const { shared, files, seed, reads } = workerData as {
  shared: SharedBuffers;
  files: readonly StormFile[];
  seed: number;
  reads: number;
};

const never = (): never => {
  throw new Error('nothing is changed here');
};
const byRow = new Map(files.map((file) => [file.row, file]));
const counters = createCounters();
const state = new SharedState(shared);
const engine = new DataEngine({
  shared: state,
  objects: '/nonexistent',
  chain: [],
  counters: new Counters(counters, 0),
  fdLimit: 16,
  materializeOnRead: false,
  namespace: {
    describe: (row) => JSON.parse(byRow.get(row)!.source) as FileSource,
    loadDiff: never,
    ensureObject: never,
    holdUnsynced: never,
    release: never,
  },
  warn: (message) => {
    throw new Error(message);
  },
});

let random = seed;
const below = (limit: number): number => {
  random = (Math.imul(random, 1103515245) + 12345) >>> 0;
  return (random >>> 8) % limit;
};
const pages = new Map<number, Buffer>();
const pageOf = ({ seed }: StormFile, block: number): Buffer => {
  const made = pages.get(seed + block) ?? makePage(seed + block, block, { filled: true });
  pages.set(seed + block, made);
  return made;
};
const out = Buffer.alloc(8 * 8192);
let wrong = 0;
let most = 0;
for (let n = 0; n < reads; n++) {
  const file = files[below(files.length)]!;
  const first = below(file.blocks);
  const count = Math.min(1 + below(8), file.blocks - first);
  const got = engine.read(file.row, file.generation, first * 8192, count * 8192, out, 0);
  if (got !== count * 8192) wrong++;
  for (let i = 0; i < count; i++) {
    if (!out.subarray(i * 8192, (i + 1) * 8192).equals(pageOf(file, first + i))) wrong++;
  }
  most = Math.max(most, state.indexBytes);
}
engine.close();
const { indexEvicted, indexMiss } = sumCounters(counters);
parentPort?.postMessage({ wrong, most, evicted: indexEvicted, made: indexMiss });
