// What counting, timing and the order of requests cost the cheapest request there is.

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Counters, createCounters, operation } from '../../src/metrics/counters.js';
import { BARRIER_WORDS, waitForEarlierMutations } from '../../src/pending/barrier.js';
import type { Row } from '../report/results.js';
import type { BenchCase, Context } from '../run/context.js';
import { fio } from '../run/fio.js';
import { contestant, PBKFS } from '../run/sides.js';
import { BACKUP_FILE, makeBackup, mountBackup, readBackupFile } from './stage-files.js';

const SHARE = 'share of a read';

export const overhead: BenchCase = {
  name: 'overhead',
  title: 'Overhead of metrics and barriers',
  method:
    'The CPU time of the functions that every request calls for them, each alone in a loop of two million (best of five), as a share of the CPU time that the server takes for an O_DIRECT read of 8 KiB of the backup. `node dist/bench/metrics-cost.js` compares two whole mounts, with and without a clock.',
  run: async (context: Context): Promise<Row[]> => {
    const backup = makeBackup(context, { mib: 64 });
    const { size } = backup;
    const side = await mountBackup(context, backup);
    const where = { file: join(side.directory, BACKUP_FILE) };
    await readBackupFile(side.directory, size);
    const reading = contestant(side, false, () =>
      fio({ rw: 'randread', where, size, jobs: 2, seconds: context.seconds, direct: true }, false),
    );
    const counters = new Counters(createCounters(), 1);
    const barrier = new Int32Array(new SharedArrayBuffer(BARRIER_WORDS * 4));
    const metrics = cpuTime(() => {
      const begun = performance.now();
      counters.received();
      counters.answered(operation.read, performance.now() - begun);
    });
    const barriers = cpuTime(() => waitForEarlierMutations(barrier, 0));
    const shares: number[] = [];
    const reads = await context.row({ id: 'overhead/read', what: 'server CPU of a read', unit: 'µs', targets: [] }, [
      {
        side: PBKFS,
        measure: async () => {
          const { cpuSeconds, operations } = await reading.measure();
          const microseconds = (cpuSeconds! * 1e6) / operations!;
          shares.push(Number((((metrics + barriers) / microseconds) * 100).toPrecision(3)));
          return { value: microseconds };
        },
      },
    ]);
    const alone = (id: string, what: string, value: number): Row => ({
      id: `overhead/${id}`,
      what,
      unit: 'µs',
      sides: [{ side: PBKFS, samples: [Number(value.toPrecision(3))] }],
      targets: [],
    });
    return [
      {
        id: 'overhead/share',
        what: 'metrics and barriers together',
        unit: '%',
        sides: [{ side: SHARE, samples: shares }],
        targets: [{ side: SHARE, value: true, atMost: 2 }],
      },
      reads,
      alone('metrics', 'metrics alone', metrics),
      alone('barriers', 'barrier of a read alone', barriers),
    ];
  },
};

/** CPU time of one call in µs: the best of some loops. */
export function cpuTime(act: () => void): number {
  const times = 2_000_000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) act();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / times);
  }
  return best;
}
