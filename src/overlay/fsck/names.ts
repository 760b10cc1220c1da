// Names of the inodes a journal knows: the tree itself only leads from names to inodes.

import type { Inode } from '../namespace/inode.js';
import type { Tree } from '../namespace/tree.js';

export interface Names {
  /** One of the inode's paths, latin1. */
  pathOf(inode: Inode): string;
  /** Names that the backup does not have. */
  readonly added: number;
  /** Names of the backup that are hidden. */
  readonly hidden: number;
}

export function namesOf(tree: Tree): Names {
  const places = new Map<Inode, { directory: Inode; name: string }>();
  let added = 0;
  let hidden = 0;
  for (const directory of tree.known()) {
    if (directory.changed === null || directory.links === 0) continue;
    for (const [name, inode] of directory.changed) {
      if (inode === null) hidden++;
      else {
        added++;
        places.set(inode, { directory, name });
      }
    }
  }
  const pathOf = (inode: Inode): string => {
    const place = places.get(inode);
    if (place === undefined) return inode.base?.sourcePath ?? '';
    const above = pathOf(place.directory);
    return above === '' ? place.name : `${above}/${place.name}`;
  };
  return { pathOf, added, hidden };
}
