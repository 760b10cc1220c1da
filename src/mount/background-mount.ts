// What the mount process loads once the process that holds the locks and the thread of names are starting.

import type { Worker } from 'node:worker_threads';
import { dismissNamespaceThread, offerNamespaceThread } from '../fs/namespace-worker.js';
import { type Holder, offerHolder } from './chain-lock/holder.js';
import { runBackgroundMount } from './serving/background.js';
import { serve } from './serving/serve.js';

/** What was started before this was loaded, and need not be used. */
export interface Early {
  readonly holder: Holder;
  readonly names: Worker;
}

/** @see runBackgroundMount */
export function mountInBackground({ holder, names }: Early): Promise<void> {
  offerHolder(holder);
  offerNamespaceThread(names);
  // Nothing was mounted, or the launcher has gone without a request.
  process.once('beforeExit', dismissNamespaceThread);
  return runBackgroundMount(serve);
}
