import { closeSync, fdatasyncSync, openSync, readSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { bindCall } from '../../src/sys/libc.js';
import { isCached, willNeed } from '../../src/sys/page-cache.js';

const TMPFS = 0x01021994;
const POSIX_FADV_DONTNEED = 4;
const LENGTH = 1 << 20;

t.test('tells of any offset whether its page is in the page cache', (t) => {
  const directory = t.testdir();
  const onDisk = statfsSync(directory).type !== TMPFS;
  const fd = openSync(join(directory, 'file'), 'w+');
  t.teardown(() => closeSync(fd));
  writeSync(fd, Buffer.alloc(LENGTH, 1));
  fdatasyncSync(fd);
  // The last byte of a file, and one that begins no page of any size.
  const places = [0, 5000, 123_456, LENGTH - 1];
  for (const place of places) t.equal(isCached(fd, place), true, `written: ${place}`);
  if (onDisk) {
    bindCall('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)')(fd, 0, 0, POSIX_FADV_DONTNEED);
    for (const place of places) t.equal(isCached(fd, place), false, `dropped: ${place}`);
  } else t.comment('the file is in memory: nothing can be dropped');
  willNeed(fd, 0, 4096);
  readSync(fd, Buffer.alloc(LENGTH), 0, LENGTH, 0);
  for (const place of places) t.equal(isCached(fd, place), true, `read: ${place}`);
  t.end();
});
