// The counters of a mount that has ended, in its diff.

import { closeSync, constants, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import type { Logger } from '../../log.js';
import { sumCounters } from '../../metrics/counters.js';

/** In the directory of the diff. */
export const COUNTERS_FILE = 'counters.json';

/**
 * Makes the file while there is room for it: at the end of a mount the inode that the diff keeps in reserve is for its journal
 * and its binding. Never throws.
 */
export function keepCounters(diff: string): void {
  try {
    closeSync(openSync(fileOf(diff), constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW));
  } catch {
    // Then there will be none.
  }
}

/** Writes what the mount did, for whoever looks after it has ended. A mount without a diff leaves nothing. Never throws. */
export function saveCounters(diff: string | null, counters: SharedArrayBuffer, log: Logger): void {
  if (diff === null) return;
  try {
    const fd = openSync(fileOf(diff), constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      ftruncateSync(fd, 0);
      writeFileSync(fd, `${JSON.stringify(sumCounters(counters), null, 2)}\n`);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    log.warn(`counters not saved: ${(error as Error).message}`);
  }
}

function fileOf(diff: string): string {
  return `${diff}/${COUNTERS_FILE}`;
}
