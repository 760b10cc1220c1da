import t from 'tap';
import { acquireDiffLock } from '../../src/mount/diff/lock.js';
import { findServingProcess } from '../../src/mount/serving-process.js';

t.test('a process is found by its lock, also while it closes other files', (t) => {
  const diff = t.testdir();
  const mountpoint = `${diff}/mount`;
  t.equal(findServingProcess(mountpoint), undefined);
  const lock = acquireDiffLock(diff, mountpoint);
  // Of this process: the descriptor that lists its descriptors is gone again when they are looked at.
  t.match(findServingProcess(mountpoint), { pid: process.pid, diff });
  t.equal(findServingProcess(`${mountpoint}/other`), undefined);
  lock.release();
  t.equal(findServingProcess(mountpoint), undefined);
  t.end();
});
