// The mark of a diff whose storage could not write what it had accepted. The kernel says so once and takes its cached pages
// for written from then on, so what a later mount finds in the cache proves nothing: it goes by what was synced, as after a
// power loss. The mark itself is not synced: a restart of the host has the same effect.

import { closeSync, existsSync, openSync, rmSync } from 'node:fs';

/** In the directory of the diff. */
export const LOST_WRITES_FILE = 'lost-writes';

/** To be called when a sync or a close has failed. @param diff its directory */
export function markLostWrites(diff: string): void {
  try {
    closeSync(openSync(markOf(diff), 'a', 0o600));
  } catch {
    // Storage that takes no file either. Whoever asked for the sync is told of its failure.
  }
}

export function hasLostWrites(diff: string): boolean {
  return existsSync(markOf(diff));
}

/** To be called when nothing depends on the page cache any more. */
export function forgetLostWrites(diff: string): void {
  rmSync(markOf(diff), { force: true });
}

function markOf(diff: string): string {
  return `${diff}/${LOST_WRITES_FILE}`;
}
