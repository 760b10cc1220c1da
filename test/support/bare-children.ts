// Loaded into each test file (.taprc). For its coverage, which is off, tap puts a loader into every Node process that a test
// starts, and into their threads: 0.2 s of CPU each, in the very programs that are tested.

import { createRequire } from 'node:module';

const { removeAllListeners } = createRequire(import.meta.url)('process-on-spawn') as { removeAllListeners(): void };

removeAllListeners();
// What child_process.fork hands on.
process.execArgv = [];
const options = process.env.NODE_OPTIONS?.replaceAll(/"--import=[^"]*@tapjs[^"]*"|--import=\S*@tapjs\S*/g, '').trim();
if (options) process.env.NODE_OPTIONS = options;
else delete process.env.NODE_OPTIONS;
