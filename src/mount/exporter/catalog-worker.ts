// The thread that reads a catalog for the exporter: a file system that hangs then hangs nobody else.

import { parentPort, workerData } from 'node:worker_threads';
import { catalogSamples } from './catalog-samples.js';

parentPort!.postMessage(catalogSamples(workerData as string));
