// Times that one thread takes and another one reads: performance.now() begins at another moment in each thread.

import { performance } from 'node:perf_hooks';

const [seconds, nanoseconds] = process.hrtime();

/** What makes this thread's performance.now() comparable to that of the others, in ms. */
export const clockOffset = seconds * 1000 + nanoseconds / 1e6 - performance.now();
