// A thread that mutates a file while threads.test.ts reads it: fills every base block once, grows the file, cuts it.

import { parentPort, workerData } from 'node:worker_threads';
import { BLCKSZ } from '../../../src/backup/constants.js';
import { DiffFile, NodeStorage, type OpenObject, type StateRegion } from '../../../src/overlay/diff/index.js';
import { baseContent, readerOf } from './file-under-test.js';

const { object, region, baseLength, signal } = workerData as {
  object: OpenObject;
  region: StateRegion;
  baseLength: number;
  signal: Int32Array;
};

const file = new DiffFile(new NodeStorage(), object, region, readerOf(baseContent(baseLength)), baseLength);
Atomics.store(signal, 0, 1);
Atomics.notify(signal, 0);
const data = new Uint8Array(3 * BLCKSZ).fill(255);
const blocks = baseLength / BLCKSZ;
for (let round = 0; round < blocks; round++) {
  const block = (round * 37) % blocks;
  file.write(data, 0, Math.min(BLCKSZ * (1 + (round % 3)), baseLength - block * BLCKSZ), block * BLCKSZ);
  file.write(data, 0, BLCKSZ, baseLength + round * BLCKSZ);
  if (round % 16 === 0) file.sync(file.snapshot());
}
Atomics.store(signal, 0, 2);
parentPort?.postMessage('done');
