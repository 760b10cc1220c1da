// What follows a failed sync. The kernel forgets which pages it could not write and says so only once: a later sync of the same
// file would succeed and prove nothing. So none is tried, until whatever it was about has been written anew.

import { PbkfsError } from '../../errors.js';

/** @param what was to be synced: "object ID", "the journal" */
export function failedBefore(what: string): PbkfsError {
  return new PbkfsError('diff_sync_failed', `${what}: an earlier sync failed`, {
    hint: "the diff's storage lost data it had accepted: unmount, check the storage, mount again",
  });
}
