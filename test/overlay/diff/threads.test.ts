// Reading without locks while another thread writes: a set bit means that the data is in the object.

import { Worker } from 'node:worker_threads';
import t from 'tap';
import { BLCKSZ } from '../../../src/backup/constants.js';
import { NodeStorage } from '../../../src/overlay/diff/index.js';
import { baseContent, FileUnderTest } from './file-under-test.js';

t.test('a reader never sees a bit or a length before its data', async (t) => {
  const blocks = 1024;
  const baseLength = blocks * BLCKSZ;
  const under = new FileUnderTest(new NodeStorage(), t.testdir(), baseContent(baseLength));
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./writer-thread.js', import.meta.url), {
    workerData: { object: under.object, region: under.region, baseLength, signal },
  });
  const done = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  Atomics.wait(signal, 0, 0, 20_000);
  const page = new Uint8Array(BLCKSZ);
  let early = 0;
  let reads = 0;
  for (let at = 0; Atomics.load(signal, 0) === 1; at++) {
    const length = under.file.length();
    for (const block of [at % blocks, length / BLCKSZ - 1]) {
      if (!under.file.isPresent(block) || block * BLCKSZ >= length) continue;
      const got = under.storage.pread(under.object.objectFd, page, 0, BLCKSZ, block * BLCKSZ);
      reads++;
      if (got !== BLCKSZ || page[0] !== 255 || page[BLCKSZ - 1] !== 255) early++;
    }
  }
  await done;
  t.equal(early, 0, `${reads} reads`);
  t.ok(reads > 100);
  t.equal(under.file.length(), 2 * baseLength);
  t.equal(under.state.countPresent(), blocks);
  await worker.terminate();
});
