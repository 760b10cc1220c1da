// What becomes of the diff's objects when a mount begins.

import type { BlockMaps } from './block-maps.js';
import type { Recovery } from './diff-recovery.js';
import type { LastEnding } from './last-ending.js';
import type { Inode } from './namespace/inode.js';
import { missingObject } from './shared/missing-object.js';

/**
 * After a clean end each object is checked for being whole; after a kill or power loss each is settled and made durable,
 * and its inode gets the length and times that this leads to. Whoever calls has to write that down.
 * @param inodes those with an object
 * @throws PbkfsError diff_damaged
 */
export function settleObjects(inodes: Iterable<Inode>, ending: LastEnding, recovery: Recovery, maps: BlockMaps): void {
  for (const inode of inodes) {
    if (ending.cleanlyClosed) recovery.mustBeWhole(inode);
    else if (!inode.isBased) recovery.settlePlain(inode, ending.cacheWasLost);
    else settleBased(inode, ending, recovery, maps);
  }
}

function settleBased(inode: Inode, ending: LastEnding, recovery: Recovery, maps: BlockMaps): void {
  const writtenAt = recovery.writtenAt(inode);
  if (maps.load(inode, ending) === 'loaded') {
    recovery.settleBased(inode, writtenAt);
    return;
  }
  // A kill leaves no object on record whose map was not whole.
  if (!ending.cacheWasLost) throw missingObject(inode.objectId!, undefined);
  inode.objectId = null;
  inode.attributes.size = inode.base!.size;
}
