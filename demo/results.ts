// The table at the end of the demo: times, blocks, the size of the diff, counters.

import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CounterSnapshot } from '../src/metrics/counters.js';
import { countedThings } from '../src/metrics/definitions.js';
import type { BundledChain } from './chain.js';
import type { SessionTimes } from './session.js';
import { count, duration, formatTable, type Row, size } from './table.js';

export type Counters = Readonly<CounterSnapshot>;

/** The counters of the last mount of a diff, written when it was unmounted. */
export function readCounters(diff: string): Counters {
  return JSON.parse(readFileSync(join(diff, 'counters.json'), 'utf8')) as Counters;
}

/** Bytes that a directory occupies on disk. */
export function diskUsage(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? diskUsage(path) : lstatSync(path).blocks * 512;
  }
  return bytes;
}

export interface Results {
  readonly chain: BundledChain;
  readonly first: SessionTimes;
  readonly second: SessionTimes;
  /** Of the first mount. */
  readonly counters: Counters;
  readonly diffBytes: number;
}

export function printTable({ chain, first, second, counters, diffBytes }: Results): void {
  const rows: Row[] = [
    ['time to mount', duration(first.mount)],
    ['time to first query', duration(first.firstQuery)],
    ['time to mount again', duration(second.mount)],
    ['time to first query again', duration(second.firstQuery)],
    'line',
    ['blocks of the backup', count(chain.blocks)],
    ['  read from the backup', count(counters.blocksFromBackup)],
    ['  read from the diff', count(counters.blocksFromDiff)],
    ['blocks written', count(counters.blocksWritten)],
    ['size of the backup', size(chain.blocks * 8192)],
    ['size of the diff', size(diffBytes)],
  ];
  console.log(formatTable(rows));
  console.log(`\nCounters of the first mount:\n${countersByMetric(counters)}`);
}

/** One line a metric, those of its labels behind one another; what is 0 is left out. */
function countersByMetric(counters: Counters): string {
  const lines = new Map<string, string[]>();
  for (const { name, metric, label } of countedThings) {
    if (counters[name] === 0) continue;
    const value = label === undefined ? count(counters[name]) : `${label} ${count(counters[name])}`;
    lines.set(metric, [...(lines.get(metric) ?? []), value]);
  }
  return [...lines].map(([metric, values]) => `  ${metric}: ${values.join(', ')}`).join('\n');
}
