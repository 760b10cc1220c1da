// What becomes of the diff's objects when a mount begins.

import type { BlockMaps } from './block-maps.js';
import type { Recovery } from './diff-recovery.js';
import type { LastEnding } from './last-ending.js';
import type { Inode } from './namespace/inode.js';

/**
 * After a clean end each object is checked for being whole; after a kill or power loss each is settled and made durable,
 * and its inode gets the length and times that this leads to. Whoever calls has to write that down.
 * @param inodes those with an object
 * @returns how many objects count for nothing any more
 * @throws PbkfsError diff_damaged
 */
export function settleObjects(
  inodes: Iterable<Inode>,
  ending: LastEnding,
  recovery: Recovery,
  maps: BlockMaps,
): number {
  let givenUp = 0;
  for (const inode of inodes) {
    if (ending.cleanlyClosed) recovery.mustBeWhole(inode);
    else if (!inode.isBased) recovery.settlePlain(inode, ending.cacheWasLost);
    else if (!settleBased(inode, ending, recovery, maps)) givenUp++;
  }
  return givenUp;
}

function settleBased(inode: Inode, ending: LastEnding, recovery: Recovery, maps: BlockMaps): boolean {
  const writtenAt = recovery.writtenAt(inode);
  if (maps.load(inode, ending) === 'ignore') {
    inode.objectId = null;
    inode.attributes.size = inode.base!.size;
    return false;
  }
  recovery.settleBased(inode, writtenAt);
  return true;
}
