// What a mount has cost, by the files of its diff: known once it is unmounted.

import { join } from 'node:path';
import { bytesOnDisk } from '../mount/disk-usage.js';
import { readJson } from '../sys/read-json.js';

export interface Costs {
  /** Bytes read from the files of the catalog. */
  readonly catalogBytes: number;
  /** Disk space of the diff. */
  readonly diffBytes: number;
}

/** @param diff of a mount that has ended; nothing counts as 0 where its mount did not come up */
export function costsOf(diff: string): Costs {
  // A mount that was killed has left none.
  const counters = readJson<Record<string, number>>(join(diff, 'counters.json'));
  return { catalogBytes: counters?.catalogBytesRead ?? 0, diffBytes: bytesOnDisk(diff) ?? 0 };
}
