// Threads read files whose block indexes do not fit into the cache together: every byte is right, the limit is kept.

import { Worker } from 'node:worker_threads';
import t from 'tap';
import { openCatalog, resolveChain } from '../../../src/backup/index.js';
import { createCounters } from '../../../src/metrics/counters.js';
import { Overlay } from '../../../src/overlay/overlay.js';
import { SharedState } from '../../../src/overlay/shared/shared-state.js';
import { startTime, writeCatalog } from '../../support/catalog-writer.js';
import { makePage } from '../../support/pages.js';
import type { StormFile } from './index-storm-thread.js';

const FILES = 24;
const THREADS = 4;
const READS = process.env.PBKFS_STORM === 'long' ? 50_000 : 1000;
/** Of the largest file, 40 blocks: 512 bytes of offsets and infos, 128 of checksums. */
const LARGEST = 640;
const LIMIT = 1536;

interface Outcome {
  readonly wrong: number;
  readonly most: number;
  readonly evicted: number;
  readonly made: number;
}

t.test('a cache that is too small for what is read', async (t) => {
  const names = Array.from({ length: FILES }, (_, i) => ({ name: `base/5/${20000 + i}`, blocks: 1 + ((i * 7) % 40) }));
  const catalog = writeCatalog(t.testdir(), [
    {
      start: startTime(0),
      mode: 'FULL',
      files: [
        ...['base', 'base/5', 'global', 'pg_wal'].map((path) => ({ path, dir: true as const })),
        { path: 'PG_VERSION', content: '15\n' },
        { path: 'global/pg_control', content: Buffer.alloc(8192, 1) },
        ...names.map(({ name, blocks }, i) => ({
          path: name,
          alg: (['none', 'zlib', 'pglz', 'lz4'] as const)[i % 4]!,
          pages: Array.from({ length: blocks }, (_, block): [number, Buffer] => [
            block,
            makePage(i * 1000 + block, block, { filled: true }),
          ]),
        })),
      ],
    },
  ]);
  const shared = SharedState.create(createCounters(), 4096, 1 << 20);
  shared.indexLimit = LIMIT;
  const chain = resolveChain(openCatalog(catalog), 'main', 'latest', {});
  const overlay = new Overlay(shared, {
    chain,
    diff: null,
    mountpoint: '/mnt/storm',
    uid: 0,
    gid: 0,
    afterPowerLoss: false,
    noWal: false,
    warn: (message) => t.fail(message),
  });
  const files = names.map(({ name, blocks }, i): StormFile => {
    let inode = overlay.namespace.root;
    for (const part of name.split('/')) {
      inode = overlay.namespace.lookup(inode, part)!;
      overlay.namespace.reference(inode);
    }
    const { row, generation } = inode;
    return { row, generation, source: overlay.describe(row, generation), blocks, seed: i * 1000 };
  });
  const outcomes = await Promise.all(
    Array.from(
      { length: THREADS },
      (_, thread) =>
        new Promise<Outcome>((resolve, reject) => {
          const workerData = { shared: shared.buffers, files, seed: 77 + thread, reads: READS };
          const worker = new Worker(new URL('./index-storm-thread.js', import.meta.url), { workerData });
          worker.once('message', resolve).once('error', reject);
        }),
    ),
  );
  t.ok(
    outcomes.every(({ wrong }) => wrong === 0),
    'every byte',
  );
  t.ok(
    outcomes.every(({ evicted, made }) => evicted > 50 && made > 50),
    JSON.stringify(outcomes),
  );
  const most = Math.max(...outcomes.map((outcome) => outcome.most));
  t.ok(most <= LIMIT + THREADS * LARGEST, `${most} bytes at most: the limit, and what threads use`);
  const before = shared.indexBytes;
  t.ok(before > 0 && before === shared.arena.bytesInUse(), 'all that is in use is counted');
  for (const { row, generation } of files) overlay.forget(row, generation, 1);
  t.equal(shared.indexBytes, 0);
  t.equal(shared.arena.bytesInUse(), 0, 'nothing leaked');
  overlay.close();
});
