// The thread that reads a catalog for the exporter: a file system that hangs then hangs nobody else.

import { parentPort, workerData } from 'node:worker_threads';
import type { Sample } from '../../metrics/exposition.js';
import { toWire, type WireError } from '../wire-error.js';
import { catalogSamples } from './catalog-samples.js';

/** What it says, once. */
export type CatalogReading = { readonly samples: Sample[] } | { readonly error: WireError };

function read(path: string): CatalogReading {
  try {
    return { samples: catalogSamples(path) };
  } catch (error) {
    return { error: toWire(error) };
  }
}

parentPort!.postMessage(read(workerData as string));
