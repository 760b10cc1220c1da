// One fsync for all who wait, and never a success after a failure.

import t from 'tap';
import { type SyncWords, syncUpToNow } from '../../../src/overlay/data/group-sync.js';

const at: SyncWords = { appended: 0, synced: 1, lock: 2, failed: 3 };

t.test('syncs what was appended, once', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(16));
  let syncs = 0;
  const sync = () => {
    syncs++;
    // Somebody appends while the disk works: that is not covered.
    words[at.appended]++;
  };
  syncUpToNow(words, at, sync);
  t.equal(syncs, 0, 'nothing to do');
  words[at.appended] = 5;
  syncUpToNow(words, at, sync);
  t.equal(syncs, 1);
  t.equal(words[at.synced], 5, 'covers what was there when it began');
  syncUpToNow(words, at, sync);
  t.equal(syncs, 2);
});

t.test('the counters may wrap around', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(16));
  words[at.appended] = -0x80000000;
  words[at.synced] = 0x7fffffff;
  let syncs = 0;
  syncUpToNow(words, at, () => void syncs++);
  t.equal(syncs, 1);
  t.equal(words[at.synced], -0x80000000);
});

t.test('after a failed sync none succeeds: the kernel forgets what it could not write', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(16));
  words[at.appended] = 1;
  const fails = () => {
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  t.throws(() => syncUpToNow(words, at, fails), { code: 'EIO' });
  t.throws(() => syncUpToNow(words, at, () => undefined), { code: 'diff_sync_failed' });
  t.equal(words[at.lock], 0, 'the lock is free');
});
