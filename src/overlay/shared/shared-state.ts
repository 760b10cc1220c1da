// All memory the threads of one mount share, and the few words that are not per inode.

import { Arena, UNIT } from './arena.js';
import { FileTable } from './file-table.js';
import { IndexUsers } from './index-users.js';
import { Refusals } from './refusals.js';

/** Words of the control block. */
export const control = {
  /** rung when the namespace thread has something to do */
  bell: 0,
  /** it sleeps until the bell rings; while this is 0 it looks at its channels again soon, see bell-waiter.ts */
  namespaceRests: 25,
  /** sequence of the last record in the journal file, and of the last one known to be on disk (both wrap) */
  journalAppended: 1,
  journalSynced: 2,
  /** held by whoever syncs the journal */
  journalLock: 3,
  /** objects made, and how many of them had their directory entry synced (both wrap) */
  objectsCreated: 4,
  objectsSynced: 5,
  /** held by whoever syncs the objects directory */
  objectsLock: 6,
  /** times a data thread went into read(2) (wraps): while it stands still and nobody is in read(2), all are stuck */
  readsBegun: 16,
  /** the control thread has been told that no data thread is in read(2) and is looking into it */
  starving: 17,
  /** data threads that sit in read(2) */
  idleReaders: 7,
  /** set when the mount ends: the namespace thread leaves its loop; see `stop` */
  stop: 8,
  /** raised when a message waits for the namespace thread */
  mail: 9,
  journalFd: 10,
  objectsFd: 11,
  /** set once a sync of the journal, or of the objects directory, has failed */
  journalFailed: 12,
  objectsFailed: 13,
  /** not 0: a backup of the chain was changed underneath, its bytes must not be served; see encodeChange */
  chainChanged: 20,
  /** inodes the kernel knows, as the namespace thread last said */
  inodes: 24,
  /** inode number of the hidden directory: an fsync of it means everything */
  hiddenIno: 40,
  /** blocks of 8 KiB in the diff, how many there may be (0: no limit), what was said about it, and what was refused */
  diffBlocks: 44,
  diffLimit: 45,
  diffWarned: 46,
  diffRefusals: 47,
  /** memory of block indexes in units of the arena, how much there may be (0: no limit), and who is looked at next */
  indexUnits: 48,
  indexLimit: 49,
  indexHand: 50,
  /** no row above this one ever had a block index */
  indexHighRow: 51,
  /** not 0: the kernel reads and writes the objects of files made on the mount by itself */
  passthrough: 52,
  /** how many of them are open */
  passthroughFiles: 53,
  /** not 0: this mount keeps the machine's processors from sleeping, see --low-latency */
  awake: 54,
} as const;

/** How the namespace thread ends. */
export const stop = {
  /** everything durable, the journal compact */
  close: 1,
  /** at once, as if killed */
  abandon: 2,
  /** everything durable, but not as the last word: the kernel goes on writing objects for programs that have them open */
  leave: 3,
} as const;

/** The chainChanged word: which backup, and what happened to it; never 0. */
export function encodeChange({ layer, kind }: { layer: number; kind: number }): number {
  return ((layer + 1) << 4) | kind;
}

export function decodeChange(word: number): { layer: number; kind: number } {
  return { layer: (word >>> 4) - 1, kind: word & 15 };
}

/** Most inodes the kernel may hold at a time: 352 MiB, of which the kernel provides a page when a row of it is used. */
const MAX_ROWS = 2 ** 21;
const ARENA_BYTES = 2 ** 32;

/** The buffers, as they are posted to a new thread. */
export interface SharedBuffers {
  control: SharedArrayBuffer;
  table: SharedArrayBuffer;
  arena: SharedArrayBuffer;
  counters: SharedArrayBuffer;
  refusals: SharedArrayBuffer;
  indexUsers: SharedArrayBuffer;
}

export class SharedState {
  readonly control: Int32Array;
  readonly table: FileTable;
  readonly arena: Arena;
  readonly refusals: Refusals;
  readonly buffers: SharedBuffers;

  constructor(buffers: SharedBuffers) {
    this.buffers = buffers;
    this.control = new Int32Array(buffers.control);
    this.table = new FileTable(buffers.table);
    this.arena = new Arena(buffers.arena);
    this.refusals = new Refusals(buffers.refusals);
  }

  /** Bytes that all block indexes take. */
  get indexBytes(): number {
    return Atomics.load(this.control, control.indexUnits) * UNIT;
  }

  /** Bytes that they may take, apart from those in use; 0: as much as there is. */
  get indexLimit(): number {
    return Atomics.load(this.control, control.indexLimit) * UNIT;
  }

  set indexLimit(bytes: number) {
    Atomics.store(this.control, control.indexLimit, Math.floor(bytes / UNIT));
  }

  static create(counters: SharedArrayBuffer, rows = MAX_ROWS, arenaBytes = ARENA_BYTES): SharedState {
    return new SharedState({
      control: new SharedArrayBuffer(256),
      table: FileTable.create(rows).buffer,
      arena: Arena.create(arenaBytes).buffer,
      counters,
      refusals: Refusals.create(),
      indexUsers: IndexUsers.create(),
    });
  }
}
