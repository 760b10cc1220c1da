// What the threads of an export share must do for any cluster and any number of threads.

import t from 'tap';
import { DEFAULT_CACHE_SIZE } from '../../../src/fs/serve-types.js';
import { exportMemory } from '../../../src/mount/export/memory.js';
import { MAX_JOBS } from '../../../src/mount/export/request.js';
import { IndexCache } from '../../../src/overlay/shared/index-cache.js';

const SEGMENT = 131072;

t.test('block indexes are bounded, however long the files are', async (t) => {
  const shared = exportMemory();
  const cache = new IndexCache(shared);
  for (let row = 1; row <= 300; row++) {
    t.notOk(cache.enter(row));
    cache.publish(row, SEGMENT, cache.allocate(SEGMENT));
    cache.leave();
  }
  t.ok(shared.indexBytes <= DEFAULT_CACHE_SIZE, `${shared.indexBytes} bytes`);
});

t.test('as many threads as --jobs allows read them', async (t) => {
  const shared = exportMemory();
  const threads = Array.from({ length: MAX_JOBS + 1 }, () => new IndexCache(shared));
  for (const [n, thread] of threads.entries()) t.notOk(thread.enter(n + 1));
});
