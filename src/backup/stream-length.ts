// The length of a datafile whose list does not give it, or gives it wrong: backups before 2.3.0 (format page 7.3).

import fs from 'node:fs';
import { NO_CAP, RECORD_HEADER } from './constants.js';
import { damagedBlock, openStored } from './damage.js';
import { TRUNCATED, walkStream } from './stream-walk.js';
import type { StreamPart } from './types.js';

/**
 * Finds the length by reading streams: the highest block + 1 that any of them holds below the caps of newer ones, where
 * a truncation marker fixes the length its backup saw.
 * @param layers newest first: the streams newer than the first member whose length is known
 * @param olderLength length in blocks at that member; 0 when there is none
 * @param segmentBlocks more than this no file of the cluster has
 * @returns length in blocks
 * @throws PbkfsError page_damaged
 */
export function scanLength(layers: readonly StreamPart[], olderLength: number, segmentBlocks: number): number {
  let length = 0;
  let cap = NO_CAP;
  for (const part of layers) {
    const fd = openStored(part.backupId, part.file, part.storedSize);
    try {
      const { end, truncatedTo } = walkStream(part, fd, () => {});
      cap = Math.min(cap, part.cap);
      length = Math.max(length, Math.min(truncatedTo ?? end, cap));
      if (truncatedTo !== undefined) cap = Math.min(cap, truncatedTo);
    } finally {
      fs.closeSync(fd);
    }
    if (length > segmentBlocks) {
      throw damagedBlock(
        part.backupId,
        part.file,
        length - 1,
        `a relation segment has at most ${segmentBlocks} blocks`,
      );
    }
  }
  return Math.max(length, Math.min(olderLength, cap));
}

/**
 * The length that a marker at the end of a stream gives, or undefined. Reads the stream only if its last bytes look like one.
 * @throws PbkfsError page_damaged
 */
export function markedLength(part: StreamPart): number | undefined {
  const fd = openStored(part.backupId, part.file, part.storedSize);
  try {
    const last = Buffer.alloc(RECORD_HEADER);
    fs.readSync(fd, last, 0, RECORD_HEADER, Math.max(0, part.storedSize - RECORD_HEADER));
    if (last.readInt32LE(4) !== TRUNCATED) return undefined;
    return walkStream(part, fd, () => {}).truncatedTo;
  } finally {
    fs.closeSync(fd);
  }
}
