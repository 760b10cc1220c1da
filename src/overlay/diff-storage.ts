// The storage of a diff as the namespace thread uses it.

import { FALLOC_FL_KEEP_SIZE, fallocate } from '../sys/libc.js';
import { NodeStorage } from './diff/index.js';

/** The real file system, with its fallocate. */
export function diffStorage(): NodeStorage {
  return new NodeStorage({
    fallocate: (fd, offset, length) => fallocate(fd, 0, offset, length),
    reserve: (fd, offset, length) => fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length),
  });
}
