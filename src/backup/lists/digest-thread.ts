// Writes one digest, and removes those that there are too many of.

import { workerData } from 'node:worker_threads';
import type { ChainListsData } from './chain-lists.js';
import { writeDigestFile } from './digest-file.js';

export interface DigestThreadData {
  readonly directory: string;
  readonly file: string;
  readonly key: string;
  readonly seenAt: number;
  readonly lists: ChainListsData;
  /** Set to 1 at the end. */
  readonly written: Int32Array;
}

const { directory, file, key, seenAt, lists, written } = workerData as DigestThreadData;
try {
  writeDigestFile(directory, file, lists, { key, seenAt });
} catch {
  // No digest, then: whoever mounts the chain next reads its lists.
} finally {
  Atomics.store(written, 0, 1);
  Atomics.notify(written, 0);
}
