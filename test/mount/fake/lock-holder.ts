// Holds the lock of the diff in its first argument until it is killed.

import { acquireDiffLock } from '../../../src/mount/diff/lock.js';

acquireDiffLock(process.argv[2], '/mnt/holder');
process.send?.('locked');
setInterval(() => undefined, 1000);
