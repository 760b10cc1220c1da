// A made-up result of the benchmark.

import type { BenchResult, Row } from '../../bench/report/results.js';

export function resultOf(rows: readonly Row[]): BenchResult {
  return {
    format: 1,
    command: 'npm run bench',
    started: '2026-11-21T12:00:00.000Z',
    quick: false,
    rounds: 2,
    machine: {
      kernel: '6.1',
      node: 'v20.0.0',
      cpu: 'a processor',
      cpus: 2,
      memoryGib: 8,
      filesystem: 'ext2/ext3',
      postgres: '15.1',
      fio: 'fio-3.33',
      pbkfs: '0.1.0 (abc)',
    },
    load: 0.25,
    missingPeers: { 'fuse-overlayfs': 'is not installed' },
    cases: [
      {
        name: 'case',
        title: 'A case',
        method: 'Something is done.',
        measured: '2026-11-21T12:01:00.000Z',
        seconds: 60,
        rows,
        absent: ['a codec: its library is missing'],
      },
    ],
  };
}

/** A row in which the mount has these ratios to native, one a round. */
export function rowOf(id: string, ratios: readonly number[], target: { atLeast?: number; atMost?: number }): Row {
  return {
    id,
    what: `what ${id} does`,
    unit: target.atLeast === undefined ? 's' : 'op/s',
    sides: [
      { side: 'native', samples: ratios.map(() => 1000) },
      { side: 'pbkfs', samples: ratios.map((ratio) => ratio * 1000), cpuSeconds: ratios.map(() => 0.5) },
    ],
    targets: [{ against: 'native', ...target }],
  };
}
