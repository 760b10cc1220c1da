// The merged, writable view of one backup and one diff, as the namespace thread holds it: opening, names, the data
// threads' questions, and the clean end.

import { byteString, type ChainReader } from '../backup/index.js';
import { SystemError } from '../errors.js';
import { BlockMaps } from './block-maps.js';
import { closeDiff, removeUnusedObjects } from './clean-end.js';
import type { HeldFiles } from './data/namespace-calls.js';
import {
  bootId,
  type DiffStorage,
  forgetLostWrites,
  hasLostWrites,
  type JournalRecord as RawRecord,
  refusedByStorage,
  stateSize,
} from './diff/index.js';
import { Recovery } from './diff-recovery.js';
import { diffStorage } from './diff-storage.js';
import { HiddenNames } from './hidden-names.js';
import { CLEAN, EndingWatch } from './last-ending.js';
import type { BaseNode } from './namespace/base-node.js';
import type { Inode } from './namespace/inode.js';
import { Namespace } from './namespace/namespace.js';
import type { ObjectKeeper } from './namespace/object-keeper.js';
import { PassthroughFiles } from './namespace/passthrough-files.js';
import type { NoObjects } from './namespace/read-only.js';
import { type Change, decodeRecords, encodeRecord } from './namespace/records.js';
import { openBase } from './open-base.js';
import { openDiff } from './open-diff.js';
import type { OverlayOptions } from './overlay-options.js';
import { settleObjects } from './settle-objects.js';
import { withoutSetId } from './shared/attributes.js';
import { blocksOf, DiffBudget } from './shared/diff-budget.js';
import { IndexCache } from './shared/index-cache.js';
import { missingObject } from './shared/missing-object.js';
import { rowFlag } from './shared/row-layout.js';
import { control, type SharedState } from './shared/shared-state.js';
import { SharedJournal } from './shared-journal.js';
import { markTemporary } from './temporary-files.js';
import { TransientWal } from './transient-wal.js';
import { UnsyncedFiles } from './unsynced-files.js';

export class Overlay {
  readonly namespace: Namespace;
  /** names that are not in the tree */
  readonly hidden: HiddenNames;
  readonly objects: ObjectKeeper | NoObjects;
  /** files that the kernel reads and writes by itself */
  readonly passthrough: PassthroughFiles;
  readonly #shared: SharedState;
  readonly #options: OverlayOptions;
  readonly #storage: DiffStorage;
  readonly #reader: ChainReader;
  readonly #settleDigest: () => void;
  readonly budget: DiffBudget;
  readonly #journal: SharedJournal;
  #transientWal: TransientWal | null = null;
  readonly #bootId = bootId();
  readonly #recovery: Recovery;
  readonly #maps: BlockMaps;
  readonly #unsynced: UnsyncedFiles;
  readonly #indexes: IndexCache;

  /** Opens backup and diff, and makes durable what a killed predecessor left behind. Throws what is wrong with them. */
  constructor(shared: SharedState, options: OverlayOptions) {
    this.#shared = shared;
    this.#indexes = new IndexCache(shared);
    this.#options = options;
    this.#storage = diffStorage(options.diff);
    const lostWrites = options.diff !== null && hasLostWrites(options.diff);
    const { reader, base, settleDigest } = openBase(options);
    this.#reader = reader;
    this.#settleDigest = settleDigest;
    this.budget = new DiffBudget(shared.control, options.warn);
    const { objects, journal, records } = openDiff(options.diff, this.#storage, shared, this.#bootId, this.budget);
    this.objects = objects;
    this.#journal = new SharedJournal(journal, shared.control, options.diff);
    this.passthrough = new PassthroughFiles(shared, this.budget, objects.directory);
    this.#recovery = new Recovery(this.#storage, objects.directory, shared);
    this.#maps = new BlockMaps({
      storage: this.#storage,
      directory: objects.directory,
      arena: shared.arena,
      bootId: this.#bootId,
      afterPowerLoss: options.afterPowerLoss || lostWrites,
      warn: options.warn,
    });
    const target = options.chain.target;
    const time = target.endTime ?? target.startTime ?? 0;
    this.namespace = new Namespace({
      base,
      defaults: { uid: options.uid, gid: options.gid, time },
      table: shared.table,
      journal: this.#journal,
      objects: this.objects,
      passthrough: this.passthrough,
      heldBlocks: (inode) => this.#heldBlocks(inode),
      releaseRow: (inode) => this.#releaseIndex(inode),
      releaseDiffState: (inode, state) => shared.arena.free(state, stateSize(inode.base!.size)),
      linked: (directory, name, inode) => {
        markTemporary(shared.table, directory, name, inode);
        this.#transientWal?.placed(directory, inode);
      },
      mountpoint: byteString(options.mountpoint),
      warn: options.warn,
    });
    this.#unsynced = new UnsyncedFiles(this.namespace, (inode) => this.#transientWal?.has(inode) ?? false);
    this.hidden = new HiddenNames({
      namespace: this.namespace,
      wal: options.wal,
      uid: options.uid,
      gid: options.gid,
      blockState: (inode) => {
        this.loadDiff(inode.row, inode.generation);
        return this.#maps.state(inode);
      },
    });
    if (options.diff === null) return;
    try {
      this.#takeUp(records, options, lostWrites);
      forgetLostWrites(options.diff);
    } catch (error) {
      throw refusedByStorage(options.diff, error);
    }
  }

  /** From what the last mount left to a diff that can be served. */
  #takeUp(found: readonly RawRecord[], options: OverlayOptions, lostWrites: boolean): void {
    const { namespace, objects } = this;
    const journal = this.#journal;
    const watch = new EndingWatch();
    namespace.replay(watch.pass(decodeRecords(found)));
    const ending = watch.ending(this.#bootId, options.afterPowerLoss || lostWrites);
    if (lostWrites && !ending.cleanlyClosed) {
      options.warn(
        'a sync of the diff had failed in an earlier mount: of files changed then, what was synced before counts',
      );
    }
    settleObjects(namespace.withObjects(), ending, this.#recovery, this.#maps);
    const opened: Change = ['opened', this.#bootId];
    if (!ending.cleanlyClosed) {
      objects.sync();
      // Not as a clean end, should this one fail: on a full disk a map may have stayed unsynced.
      const records = namespace.snapshot(opened);
      // What a power loss has cut off must be on record before anything is changed.
      if (ending.cacheWasLost) journal.rewrite(records);
      else journal.rewriteAsRoomAllows(records);
    }
    removeUnusedObjects(this);
    if (options.noWal) this.#transientWal = new TransientWal(namespace);
    this.budget.start(options.diffLimit, this.#countBlocks());
    journal.append(encodeRecord({ time: Date.now(), changes: [opened] }), true);
    Atomics.store(this.#shared.control, control.hiddenIno, this.hidden.directory.attributes.ino);
    const { compactJournalFrom } = options;
    journal.publish({
      syncObjects: () => objects.sync(),
      snapshot: () => namespace.snapshot(opened),
      warn: options.warn,
      ...(compactJournalFrom === undefined ? {} : { compactFrom: compactJournalFrom }),
    });
  }

  /** The inode behind a nodeid. Throws ESTALE. */
  inode(row: number, generation: number): Inode {
    const inode = this.namespace.rows.find(row, generation);
    if (inode === undefined) throw new SystemError('ESTALE');
    return inode;
  }

  forget(row: number, generation: number, count: number): void {
    const inode = this.namespace.rows.find(row, generation);
    if (inode !== undefined) this.namespace.forget(inode, count);
  }

  /** What a name leads to; not for the names of virtual files. */
  lookup(directory: Inode, name: string): Inode | null {
    const found = this.hidden.lookup(directory, name);
    if (found !== undefined) return found;
    const inode = this.namespace.lookup(directory, name);
    if (inode !== null) this.#transientWal?.placed(directory, inode);
    return inode;
  }

  /** Names of a directory as READDIR lists them, without `.` and `..`. */
  list(directory: Inode): Iterable<[name: string, entry: Inode | BaseNode<Inode>]> {
    return this.hidden.list(directory) ?? this.namespace.list(directory);
  }

  /** JSON of where the blocks of a file of the backup lie. Its stored files are left to who reads them: their disk may be slow, or hang. */
  describe(row: number, generation: number): string {
    const inode = this.inode(row, generation);
    const source = this.#reader.resolve(inode.base!.sourcePath);
    return JSON.stringify(inode.identities === null ? source : { ...source, identities: inode.identities });
  }

  /** Somebody has found the stored files of a file to be these: the first to say so counts. @returns JSON of what does */
  identify(row: number, generation: number, identities: readonly number[]): string {
    const inode = this.inode(row, generation);
    inode.identities ??= identities;
    return JSON.stringify(inode.identities);
  }

  /** Loads the block map of a file that has an object. */
  loadDiff(row: number, generation: number): string {
    const inode = this.inode(row, generation);
    if (inode.diffState === 0 && this.#maps.load(inode, CLEAN) === 'ignore') {
      throw missingObject(inode.objectId!, undefined);
    }
    this.namespace.rows.setObject(inode);
    return '';
  }

  /** Before a change of data. With the flag dropSetId the set-id bits go, on record: they must not come back after a kill. */
  ensureObject(row: number, generation: number): string {
    const inode = this.inode(row, generation);
    const isNew = inode.objectId === null;
    this.namespace.ensureObject(inode);
    if (this.#shared.table.takeFlag(row, rowFlag.dropSetId)) {
      this.namespace.setAttributes(inode, { mode: withoutSetId(this.namespace.attributes(inode).mode) });
    }
    // A new object has no durable image yet; without one it would not survive a restart of the host. Of an older one the
    // block map may not be loaded: then there is nothing to sync, and nothing to sync it by.
    if (isNew) this.#shared.table.addFlag(row, rowFlag.dirtyData);
    return '';
  }

  /**
   * The next files that a sync of everything has to sync, in the order the journal got to know them. Each gets a
   * reference, as the kernel's, so that its row stays until it is given back by `forget`.
   */
  holdUnsynced(after: number): HeldFiles {
    return this.#unsynced.hold(after);
  }

  /** Objects that can go only after the journal was synced. */
  get pendingRemovals(): number {
    return this.objects.waiting;
  }

  /** Removes up to `limit` objects that nobody needs any more, as far as the journal has been synced; returns how many. */
  tidy(limit = Number.POSITIVE_INFINITY): number {
    if (this.objects.waiting === 0) return 0;
    return this.objects.removeUpTo(this.#journal.durable(), limit);
  }

  /** Shortens the journal when it has grown far beyond what it says. */
  compactJournal(): void {
    this.#journal.compactIfDue();
  }

  /**
   * The clean end: everything durable, the journal compact. No data thread runs any more.
   * @param inUse objects are still being written, by the kernel: the next mount has to look at them, as after a kill
   */
  close(inUse = false): void {
    const { diff } = this.#options;
    const ending = {
      ...{ namespace: this.namespace, objects: this.objects, journal: this.#journal },
      ...{ unsynced: this.#unsynced, recovery: this.#recovery, transientWal: this.#transientWal },
    };
    try {
      if (diff !== null) closeDiff(ending, inUse ? ['opened', this.#bootId] : ['clean']);
    } catch (error) {
      throw refusedByStorage(diff!, error);
    }
    this.#settleDigest();
  }

  /** Bytes of all files, for statfs of a read-only mount. */
  totalBytes(): number {
    return this.#reader.totalBytes();
  }

  /** Blocks of all objects that have a name. A diff of an earlier version says no counts: its maps are read. */
  #countBlocks(): number {
    let blocks = 0;
    for (const inode of this.namespace.withObjects()) {
      if (inode.isBased && inode.diffState === 0 && inode.heldBlocks === null) this.#maps.load(inode, CLEAN);
      blocks += this.#heldBlocks(inode);
    }
    return blocks;
  }

  #heldBlocks(inode: Inode): number {
    return inode.isBased ? this.#maps.blocks(inode) : blocksOf(this.namespace.attributes(inode).size);
  }

  #releaseIndex(inode: Inode): void {
    inode.identities = null;
    this.#indexes.release(inode.row);
  }
}
