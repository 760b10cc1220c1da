// The journal in its shortest form: the records that lead from the bare backup to the present tree.

import type { Attributes } from '../shared/attributes.js';
import type { Inode } from './inode.js';
import type { Change, JournalRecord, NodeFields } from './records.js';
import type { Tree } from './tree.js';

/**
 * Records that lead from the bare backup to the tree's present state.
 * @param ending the last change: `clean` at the end of a mount, `opened` while it goes on
 */
export function* compactRecords(
  tree: Tree,
  attributesOf: (inode: Inode) => Readonly<Attributes>,
  heldBlocks: (inode: Inode) => number,
  ending: Change,
): IterableIterator<JournalRecord> {
  const time = Date.now();
  for (const inode of tree.known()) {
    if (inode.links === 0) continue;
    const fields = { ...nodeFields(inode, attributesOf(inode)), size: attributesOf(inode).size };
    const blocks = inode.isBased && inode.objectId !== null ? { blocks: heldBlocks(inode) } : {};
    yield { time, changes: [['node', inode.journalId, { ...fields, ...blocks }]] };
  }
  for (const directory of tree.known()) {
    if (directory.links === 0 || directory.changed === null) continue;
    for (const [name, inode] of directory.changed) {
      const change: Change =
        inode === null ? ['unlink', directory.journalId, name] : ['link', directory.journalId, name, inode.journalId];
      yield { time, changes: [change] };
    }
  }
  // Linking and unlinking touched times and counts on the way: the final ones are said last.
  for (const inode of tree.known()) {
    if (inode.links === 0) continue;
    const { atime, mtime, ctime } = nodeFields(inode, attributesOf(inode));
    const counts: Change = ['counts', inode.journalId, inode.links, inode.subdirectories];
    yield { time, changes: [['attributes', inode.journalId, { atime, mtime, ctime }], counts] };
  }
  yield { time, changes: [ending] };
}

/** What the journal says of an inode when it first mentions it. */
export function nodeFields(inode: Inode, now: Readonly<Attributes>): NodeFields {
  const { mode, uid, gid, rdev } = now;
  return {
    mode,
    uid,
    gid,
    ...(rdev === 0 ? {} : { rdev }),
    atime: [now.atime, now.atimeNsec],
    mtime: [now.mtime, now.mtimeNsec],
    ctime: [now.ctime, now.ctimeNsec],
    ...(inode.target !== null && inode.base === null ? { target: inode.target } : {}),
    ...(inode.base === null ? {} : { base: inode.base.sourcePath }),
    ...(inode.objectId === null ? {} : { object: inode.objectId }),
  };
}
