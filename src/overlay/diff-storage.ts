// The storage of a diff as the namespace thread uses it.

import { fallocate } from '../sys/libc.js';
import { NodeStorage } from './diff/index.js';

const FALLOC_FL_KEEP_SIZE = 1;

/** The real file system, with its fallocate. */
export function diffStorage(): NodeStorage {
  return new NodeStorage({
    fallocate: (fd, offset, length) => fallocate(fd, 0, offset, length),
    reserve: (fd, offset, length) => fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length),
  });
}
