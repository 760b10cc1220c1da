// WAL segments of the backup are written from front to back and synced after every piece. Block by block, each of these
// syncs would have to make the block map durable as well: a second fdatasync for every commit. So the first write brings
// the whole segment into the diff; once that is durable the file is complete and its map is not written any more.

import { basename, dirname } from 'node:path';
import { WAL_NAMES } from '../../backup/constants.js';
import type { FileSource } from '../../backup/index.js';
// Not by the index of its folder: data threads have to start quickly.
import { isSegmentName } from '../../backup/wal/lsn.js';

/** Longer segments stay block by block: the first commit would wait for the copy. PostgreSQL's default is 16 MiB. */
const MOST_BYTES = 64 * 2 ** 20;

/** Whether a file of the backup is a WAL segment that comes into the diff as a whole. */
export function comesWhole(source: FileSource): boolean {
  if (source.kind !== 'raw' || source.size > MOST_BYTES) return false;
  return WAL_NAMES.includes(dirname(source.path)) && isSegmentName(basename(source.path));
}
