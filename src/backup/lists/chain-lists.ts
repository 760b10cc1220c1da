// The content lists of a whole chain, read for a mount: the target's first, then what the older ones say of its files.

import { PG_CONTROL_PATH } from '../pg-control.js';
import type { Chain } from '../types.js';
import { ListThreads } from './list-threads.js';
import { PackedList, type PackedListData } from './packed-list.js';
import { PathTable, type PathTableData } from './path-table.js';
import { type ReadList, type ReadTarget, readOlderList, readTargetList, type Unsupported } from './read-list.js';
import { moreWords } from './shared-columns.js';
import { dropVanishedFiles } from './vanished-files.js';

/** Memory that threads can share, which a digest holds as it is; what comes out of a digest is not shared. */
export interface ChainListsData {
  readonly paths: PathTableData;
  /** Mode of each path, by the target. */
  readonly modes: Uint32Array;
  /** FULL first. */
  readonly lists: readonly PackedListData[];
}

/** Files are numbered; number n is the n-th of the target's list, but for those in external directories. */
export class ChainLists {
  readonly data: ChainListsData;
  readonly paths: PathTable;
  readonly modes: Uint32Array;
  /** By layer, FULL first. */
  readonly lists: readonly PackedList[];

  constructor(data: ChainListsData) {
    this.data = data;
    this.paths = PathTable.from(data.paths);
    this.modes = data.modes;
    this.lists = data.lists.map((list) => new PackedList(list));
  }

  /** What the target says. */
  get target(): PackedList {
    return this.lists.at(-1)!;
  }
}

/** A chain's lists, and for each layer, FULL first, what in it cannot be served. */
export interface ReadChainLists {
  readonly lists: ChainLists;
  readonly unsupported: readonly (Unsupported | undefined)[];
}

/**
 * Reads all lists of a chain; the older ones on several threads where they are long.
 * @throws PbkfsError backup_damaged for the oldest of those that are missing, differ from their CRC or make no sense
 */
export function readChainLists({ members, target }: Chain): ReadChainLists {
  const older = members.slice(0, -1);
  let read: ReadTarget;
  try {
    read = readTargetList(target);
  } catch (error) {
    const none = PathTable.empty(0);
    for (const backup of older) readOlderList(backup, none);
    throw error;
  }
  const { paths } = read;
  // Every member's copy tells which cluster it is of, also where the target has none.
  paths.add(PG_CONTROL, 0, PG_CONTROL.length);
  const names = paths.data();
  const found: readonly ReadList[] = ListThreads.read(older, names);
  const targetList = { ...read.data, at: fitted(read.data.at, paths.count) };
  const data = {
    paths: names,
    modes: fitted(read.modes, paths.count),
    lists: [...found.map((list) => list.data), targetList],
  };
  dropVanishedFiles(members, data.lists);
  return { lists: new ChainLists(data), unsupported: [...found, read].map(({ unsupported }) => unsupported) };
}

const PG_CONTROL = Buffer.from(PG_CONTROL_PATH, 'latin1');

/** A column cut to so many files, or with zeros behind it. */
function fitted(column: Uint32Array, files: number): Uint32Array {
  return column.length >= files ? column.subarray(0, files) : moreWords(column, files);
}
