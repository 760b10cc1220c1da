// The storage of a diff as the namespace thread uses it.

import { FALLOC_FL_KEEP_SIZE, fallocate } from '../sys/libc.js';
import { markLostWrites, NodeStorage } from './diff/index.js';

/** The real file system, with its fallocate. @param diff its directory; a read-only mount has none */
export function diffStorage(diff: string | null): NodeStorage {
  return new NodeStorage({
    ...(diff === null ? {} : { lost: () => markLostWrites(diff) }),
    fallocate: (fd, offset, length) => fallocate(fd, 0, offset, length),
    reserve: (fd, offset, length) => fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length),
  });
}
