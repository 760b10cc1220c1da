// Holds the lock of the diff in its first argument for a while, as a mount that ends, and writes the binding in the second.

import { type Binding, writeBinding } from '../../../src/mount/diff/binding.js';
import { acquireDiffLock } from '../../../src/mount/diff/lock.js';

const [diff, binding] = process.argv.slice(2) as [string, string];
const lock = acquireDiffLock(diff, '/mnt/ending');
process.send?.('locked');
setTimeout(() => {
  writeBinding(diff, JSON.parse(binding) as Binding);
  lock.release();
  process.disconnect();
}, 300);
