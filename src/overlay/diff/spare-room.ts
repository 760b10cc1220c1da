// diff/spare: disk space, and an inode, that are kept for the beginning and the end of a mount, which need some and must
// work on a full disk.

import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fallocate } from '../../sys/libc.js';

/** Name in the diff. */
export const SPARE_FILE = 'spare';

/** For lock, binding, log, the space behind the journal, and the maps of some files that were not synced. */
const BASE = 128 << 10;
/** The rest is for a second journal beside the first, in steps of this. */
const STEP = 64 << 10;
/** Less would be of no use. */
const LEAST = 16 << 10;

/** Gives the space back to the disk, for whoever has the diff locked. Never throws. @returns whether there was any */
export function useSpare(diff: string): boolean {
  try {
    rmSync(join(diff, SPARE_FILE));
    return true;
  } catch {
    // Then there is as much room as there is.
    return false;
  }
}

/**
 * Takes the space again, or as much of it as the disk has; more as the journal grows. A diff without a journal holds
 * nothing that would have to be rescued. Never throws.
 */
export function keepSpare(diff: string): void {
  try {
    const wanted = BASE + coveredBySpare(statSync(join(diff, 'journal')).size);
    // Not through a link, which somebody else has put there.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(join(diff, SPARE_FILE), flags, 0o600);
    try {
      allocate(fd, wanted);
    } finally {
      closeSync(fd);
    }
  } catch {
    // The diff works without.
  }
}

/** Up to which size the space kept for a journal of this size is enough. */
export function coveredBySpare(journalBytes: number): number {
  return Math.ceil(journalBytes / STEP) * STEP;
}

function allocate(fd: number, wanted: number): void {
  const { size } = fstatSync(fd);
  for (let bytes = wanted; bytes >= LEAST && bytes > size; bytes >>= 1) {
    try {
      // From the start: what is there already costs nothing.
      fallocate(fd, 0, 0, bytes);
      return;
    } catch {
      // Half of it is better than nothing.
    }
  }
}
