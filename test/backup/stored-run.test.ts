// Runs of records: which blocks of a range are read by one pread.

import t from 'tap';
import { createBlockIndex } from '../../src/backup/block-index.js';
import { packInfo } from '../../src/backup/block-info.js';
import { RECORD_HEADER } from '../../src/backup/constants.js';
import { MAX_RUN, StoredRun } from '../../src/backup/stored-run.js';
import type { BlockIndex } from '../../src/backup/types.js';

const ROOM = 64 * 1024;

/** The members of all runs of a range, in the order in which they are read. */
function runsOf(index: BlockIndex, blocks: number, padded = false): number[][] {
  const run = new StoredRun(ROOM);
  const runs: number[][] = [];
  run.begin(blocks);
  for (let i = 0; i < blocks; i++) {
    if (run.has(i) || index.info[i] === 0) continue;
    run.collect(index, 0, i, padded);
    runs.push([...run.members.subarray(0, run.count)]);
  }
  return runs;
}

/** An index of [layer, offset, size] for each block; null is a hole. */
function indexOf(blocks: readonly (readonly [number, number, number] | null)[]): BlockIndex {
  const index = createBlockIndex(blocks.length);
  blocks.forEach((block, i) => {
    if (block === null) return;
    index.info[i] = packInfo(block[0], block[2], 0);
    index.offset[i] = block[1];
  });
  return index;
}

t.test('one pread a layer, over superseded records and holes', async (t) => {
  const index = indexOf([[0, 0, 100], [1, 500, 50], [0, 300, 100], null, [1, 558, 60], [0, 408, 7]]);
  t.same(runsOf(index, 6), [
    [0, 2, 5],
    [1, 4],
  ]);
  const run = new StoredRun(ROOM);
  run.begin(6);
  run.collect(index, 0, 0, false);
  t.match(run, { start: 0, length: 408 + RECORD_HEADER + 7, count: 3 });
});

t.test('ends where records lie far apart, backwards, or on top of each other', async (t) => {
  t.same(
    runsOf(
      indexOf([
        [0, 0, 100],
        [0, 108 + 32 * 1024, 100],
        [0, 109 + 32 * 1024 + 108 + 32 * 1024, 100],
      ]),
      3,
    ),
    [[0, 1], [2]],
  );
  const backwards = indexOf([
    [0, 500, 10],
    [0, 0, 10],
    [0, 18, 10],
  ]);
  t.same(runsOf(backwards, 3), [[0], [1, 2]]);
  const overlapping = indexOf([
    [0, 0, 10],
    [0, 17, 10],
  ]);
  t.same(runsOf(overlapping, 2), [[0], [1]]);
  // Padding belongs to the record before.
  const padded = indexOf([
    [0, 0, 9],
    [0, 24, 9],
  ]);
  t.same(runsOf(padded, 2, true), [[0, 1]]);
});

t.test('every stored block is in one run, and no run is larger than its room', async (t) => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 300; round++) {
    const blocks = 1 + random(MAX_RUN);
    const layers = 1 + random(5);
    const ends = new Array<number>(layers).fill(0);
    const list = Array.from({ length: blocks }, () => {
      const layer = random(layers);
      const size = 1 + random(8192);
      if (random(6) === 0) return null;
      const at = ends[layer]! + random(3) * random(40_000);
      ends[layer] = at + RECORD_HEADER + size;
      return [layer, at, size] as const;
    });
    const index = indexOf(list);
    const run = new StoredRun(ROOM);
    run.begin(blocks);
    const seen = new Set<number>();
    for (let i = 0; i < blocks; i++) {
      if (run.has(i) || list[i] === null) continue;
      run.collect(index, 0, i, false);
      if (run.length > ROOM) t.fail(`a run of ${run.length} bytes`);
      for (const member of run.members.subarray(0, run.count)) {
        const [layer, at, size] = list[member]!;
        if (seen.has(member) || layer !== list[i]![0]) t.fail(`block ${member} does not belong here`);
        if (at < run.start || at + RECORD_HEADER + size > run.start + run.length) t.fail(`block ${member} is outside`);
        seen.add(member);
      }
    }
    if (seen.size !== list.filter((block) => block !== null).length) t.fail('a block is in no run');
  }
  t.pass('300 ranges');
});
