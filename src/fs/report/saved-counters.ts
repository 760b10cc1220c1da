// The counters of a mount that has ended, in its diff.

import { writeFileSync } from 'node:fs';
import type { Logger } from '../../log.js';
import { sumCounters } from '../../metrics/counters.js';

/** Writes what the mount did, for whoever looks after it has ended. A mount without a diff leaves nothing. Never throws. */
export function saveCounters(diff: string | null, counters: SharedArrayBuffer, log: Logger): void {
  if (diff === null) return;
  try {
    writeFileSync(`${diff}/counters.json`, `${JSON.stringify(sumCounters(counters), null, 2)}\n`);
  } catch (error) {
    log.warn(`counters not saved: ${(error as Error).message}`);
  }
}
