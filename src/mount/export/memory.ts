// The memory that the threads of an export share.

import { DEFAULT_CACHE_SIZE } from '../../fs/serve-types.js';
import { createCounters } from '../../metrics/counters.js';
import { SharedState } from '../../overlay/shared/shared-state.js';

/** Block indexes may take as much of it as in a mount: those of a whole cluster would be 1.25 MiB for each GiB of it. */
export function exportMemory(): SharedState {
  const shared = SharedState.create(createCounters());
  shared.indexLimit = DEFAULT_CACHE_SIZE;
  return shared;
}
