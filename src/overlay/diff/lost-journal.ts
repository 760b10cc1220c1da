// A diff without its journal: never written to, or robbed of all its names.

import { existsSync, readdirSync } from 'node:fs';
import { PbkfsError } from '../../errors.js';

/**
 * Refuses a diff whose journal is gone. Every object is made after the journal is durable, so objects without a journal
 * are data that has lost its names; to go on as if the diff were new would remove them as orphans.
 * @param diff directory of the diff
 * @param endedCleanly a mount of this diff has ended: then there was a journal, whether there are objects or not
 * @throws PbkfsError diff_damaged
 */
export function refuseLostJournal(diff: string, endedCleanly = false): void {
  if (existsSync(`${diff}/journal`)) return;
  if (!endedCleanly && !hasObjects(diff)) return;
  throw new PbkfsError('diff_damaged', `the diff ${diff} has lost its journal, and with it the names of its files`, {
    hint: 'copy the journal back from where the diff was copied from; "pbkfs cleanup --force" wipes what is left',
  });
}

function hasObjects(diff: string): boolean {
  try {
    return readdirSync(`${diff}/objects`).length > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
