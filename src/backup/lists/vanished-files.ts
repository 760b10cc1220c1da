// Files that went while an old pg_probackup backed them up.

import { vanishedIsUnchanged } from '../program-version.js';
import type { BackupInfo } from '../types.js';
import { dropUnchanged, PackedList, type PackedListData } from './packed-list.js';

/**
 * Finds what old versions list as unchanged although no older backup has it. Their restore passes over such files: a
 * plain file is not there then, and a data file, which may as well be a new one without blocks, is empty.
 * @param members FULL first
 * @param lists theirs; changed
 */
export function dropVanishedFiles(members: readonly BackupInfo[], lists: readonly PackedListData[]): void {
  let parent: PackedList | undefined;
  for (const [layer, { version }] of members.entries()) {
    const data = lists[layer]!;
    const list = new PackedList(data);
    if (vanishedIsUnchanged(version)) {
      for (let file = 0; file < data.at.length; file++) {
        if (list.isUnchanged(file) && !hasFile(parent, file, list.isDatafile(file))) dropUnchanged(data, file);
      }
    }
    parent = list;
  }
}

function hasFile(parent: PackedList | undefined, file: number, isDatafile: boolean): boolean {
  return parent?.has(file) === true && !parent.isDirectory(file) && parent.isDatafile(file) === isDatafile;
}
