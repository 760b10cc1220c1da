// What a mount has cost, by the files of its diff: known once it is unmounted.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOnDisk } from '../mount/disk-usage.js';

export interface Costs {
  /** Bytes read from the files of the catalog. */
  readonly catalogBytes: number;
  /** Disk space of the diff. */
  readonly diffBytes: number;
}

/** @param diff of a mount that has ended; nothing counts as 0 where its mount did not come up */
export function costsOf(diff: string): Costs {
  let counters: Record<string, number> = {};
  try {
    counters = JSON.parse(readFileSync(join(diff, 'counters.json'), 'utf8')) as Record<string, number>;
  } catch {
    // It was killed.
  }
  return { catalogBytes: counters.catalogBytesRead ?? 0, diffBytes: bytesOnDisk(diff) ?? 0 };
}
