// The operations on names: each checks, writes one journal record, and then lets the tree apply that record.
//
// Everything here is single-threaded and quick: no operation waits for another inode's data. A crash between the
// journal's write and the tree's change cannot be seen, because the next mount replays the record.

import { SystemError } from '../../errors.js';
import type { Attributes } from '../shared/attributes.js';
import { timestampOf } from '../shared/timestamp.js';
import type { BaseNode } from './base-node.js';
import { mustAccept, mustBeDirectory, mustBeReplaceable, mustBeShort } from './checks.js';
import { compactRecords, nodeFields } from './compaction.js';
import { HIDDEN_DIRECTORY } from './hidden-directory.js';
import { type Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './inode.js';
import { Lifetimes } from './lifetimes.js';
import type { Caller, NamespaceOptions } from './namespace-options.js';
import { type AttributeFields, type Change, encodeRecord, type JournalRecord, type NodeFields } from './records.js';
import { Rows } from './rows.js';
import { tablespaceLink } from './tablespace-guard.js';
import { attributesFrom, Tree } from './tree.js';

const S_ISGID = 0o2000;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

export class Namespace {
  readonly tree: Tree;
  readonly rows: Rows;
  readonly #options: NamespaceOptions;
  readonly #lifetimes: Lifetimes;

  constructor(options: NamespaceOptions) {
    this.#options = options;
    this.rows = new Rows(options.table, options.passthrough);
    this.tree = new Tree(options.base, options.defaults, {
      update: (inode, change) => this.rows.update(inode, change),
      nameless: (inode) => this.#lifetimes.lostName(inode),
      linked: (directory, name, inode) => options.linked?.(directory, name, inode),
    });
    this.#lifetimes = new Lifetimes(this.tree, this.rows, options);
    this.rows.attach(this.tree.root);
    this.tree.root.lookups = 1;
  }

  get root(): Inode {
    return this.tree.root;
  }

  /** Takes over the records that earlier mounts wrote; inodes that ended without a name are dropped. */
  replay(records: Iterable<JournalRecord>): void {
    for (const record of records) this.tree.apply(record);
    this.#lifetimes.settle(0);
  }

  /** Inodes that have a name and an object. */
  withObjects(): Inode[] {
    return [...this.tree.known()].filter((inode) => inode.objectId !== null && inode.links > 0);
  }

  lookup(directory: Inode, name: string): Inode | null {
    mustBeDirectory(directory);
    mustBeShort(name);
    return this.tree.lookup(directory, name);
  }

  /** The kernel gets one more reference: the inode has a row from now on. */
  reference(inode: Inode): void {
    this.#lifetimes.reference(inode);
  }

  /** The kernel gives references back. */
  forget(inode: Inode, count: number): void {
    this.#lifetimes.forget(inode, count);
  }

  attributes(inode: Inode): Readonly<Attributes> {
    return this.rows.attributes(inode);
  }

  /** chmod, chown, utimens: whatever of `change` is given, and ctime. Size is not changed here. */
  setAttributes(inode: Inode, change: Omit<AttributeFields, 'ctime'>): void {
    const fields: AttributeFields = { ...change, ctime: timestampOf(Date.now()) };
    if (fields.mode !== undefined) fields.mode = (inode.attributes.mode & S_IFMT) | (fields.mode & ~S_IFMT);
    if (inode.virtual !== null) throw new SystemError('EPERM');
    // Later looks at the object must not take what was written before this for newer.
    this.rows.refresh(inode);
    if (inode.links === 0) {
      this.rows.update(inode, attributesFrom(fields));
      return;
    }
    const changes: Change[] = [];
    const id = this.#intern(inode, changes);
    changes.push(['attributes', id, fields]);
    this.#commit(changes);
  }

  /** Makes a regular file, fifo, socket or device node. `mode` is a full st_mode. */
  create(directory: Inode, name: string, mode: number, rdev: number, caller: Caller): Inode {
    const isFile = (mode & S_IFMT) === S_IFREG;
    this.#mustBeNew(directory, name);
    const object = isFile ? { object: this.#options.objects.name() } : {};
    return this.#add(directory, name, { mode, rdev, ...object }, caller);
  }

  mkdir(directory: Inode, name: string, mode: number, caller: Caller): Inode {
    this.#mustBeNew(directory, name, /^\d+$/.test(name));
    const inherited = this.attributes(directory).mode & S_ISGID;
    return this.#add(directory, name, { mode: S_IFDIR | (mode & 0o7777) | inherited }, caller);
  }

  symlink(directory: Inode, name: string, target: string, caller: Caller): Inode {
    this.#mustBeNew(directory, name);
    const kept = this.#guardTablespaces(directory, name, target, true);
    return this.#add(directory, name, { mode: S_IFLNK | 0o777, target: kept }, caller);
  }

  link(inode: Inode, directory: Inode, name: string): void {
    if (inode.isDirectory || inode.virtual !== null) throw new SystemError('EPERM');
    if (inode.links === 0) throw new SystemError('ENOENT');
    this.#mustBeNew(directory, name);
    if (inode.target !== null) this.#guardTablespaces(directory, name, inode.target);
    const changes: Change[] = [];
    const id = this.#intern(inode, changes);
    changes.push(['link', this.#intern(directory, changes), name, id]);
    this.#commit(changes);
  }

  unlink(directory: Inode, name: string): void {
    const inode = this.#mustExist(directory, name);
    if (inode.isDirectory) throw new SystemError('EISDIR');
    this.#remove(directory, name);
  }

  rmdir(directory: Inode, name: string): void {
    const inode = this.#mustExist(directory, name);
    if (!inode.isDirectory) throw new SystemError('ENOTDIR');
    if (!this.tree.isEmpty(inode)) throw new SystemError('ENOTEMPTY');
    this.#remove(directory, name);
  }

  /** renameat2: `flags` may hold RENAME_NOREPLACE or RENAME_EXCHANGE. */
  rename(from: Inode, oldName: string, to: Inode, newName: string, flags: number): void {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) throw new SystemError('EINVAL');
    const inode = this.#mustExist(from, oldName);
    mustAccept(this.root, to, newName);
    const replaced = this.tree.lookup(to, newName);
    if (inode.target !== null) this.#guardTablespaces(to, newName, inode.target);
    if (flags & RENAME_EXCHANGE) {
      if (replaced === null) throw new SystemError('ENOENT');
      if (replaced.target !== null) this.#guardTablespaces(from, oldName, replaced.target);
    } else if (replaced !== null) {
      if (flags & RENAME_NOREPLACE) throw new SystemError('EEXIST');
      if (replaced === inode) return;
      mustBeReplaceable(inode, replaced);
      if (replaced.isDirectory && !this.tree.isEmpty(replaced)) throw new SystemError('ENOTEMPTY');
    }
    const changes: Change[] = [];
    const id = this.#intern(inode, changes);
    const fromId = this.#intern(from, changes);
    const toId = this.#intern(to, changes);
    if (flags & RENAME_EXCHANGE) {
      const otherId = this.#intern(replaced!, changes);
      if (replaced === inode) return;
      // Unlinking first keeps the name counts right when both names are in the same record.
      changes.push(['unlink', fromId, oldName], ['unlink', toId, newName]);
      changes.push(['link', toId, newName, id], ['link', fromId, oldName, otherId]);
    } else {
      changes.push(['link', toId, newName, id], ['unlink', fromId, oldName]);
    }
    this.#commit(changes);
  }

  /** Gives a file of the backup an object for its changed blocks, unless it has one. */
  ensureObject(inode: Inode): void {
    if (inode.objectId !== null) return;
    const { objectId, diffState } = this.#options.objects.createMapped(inode.base!.sourcePath, inode.base!.size);
    // An unlinked file needs no record: nobody will look for its data after this mount.
    if (inode.links > 0) {
      try {
        const changes: Change[] = [];
        const id = this.#intern(inode, changes);
        changes.push(['object', id, objectId]);
        this.#commit(changes);
      } catch (error) {
        this.#options.objects.discardMapped(objectId, inode.base!.size);
        this.#options.releaseDiffState(inode, diffState);
        throw error;
      }
    }
    inode.objectId = objectId;
    inode.diffState = diffState;
    this.rows.setObject(inode);
  }

  /** Names of a directory as READDIR lists them, without `.`, `..` and the hidden directory. */
  *list(directory: Inode): IterableIterator<[name: string, entry: Inode | BaseNode<Inode>]> {
    for (const entry of this.tree.entries(directory)) {
      if (directory === this.root && entry[0] === HIDDEN_DIRECTORY) continue;
      yield entry;
    }
  }

  /** Records that lead from the bare backup to the present state: what a compacted journal holds. */
  snapshot(ending: Change = ['clean']): IterableIterator<JournalRecord> {
    return compactRecords(
      this.tree,
      (inode) => this.attributes(inode),
      (inode) => this.#options.heldBlocks(inode),
      ending,
    );
  }

  #add(
    directory: Inode,
    name: string,
    fields: Pick<NodeFields, 'mode'> & Partial<Pick<NodeFields, 'rdev' | 'object' | 'target'>>,
    caller: Caller,
  ): Inode {
    // Whoever made it could not be told of it.
    this.rows.mustHaveRoom();
    const parent = this.attributes(directory);
    const gid = parent.mode & S_ISGID ? parent.gid : caller.gid;
    const now = timestampOf(Date.now());
    const changes: Change[] = [];
    const directoryId = this.#intern(directory, changes);
    const id = this.tree.allocateId();
    changes.push(
      ['node', id, { uid: caller.uid, gid, atime: now, mtime: now, ctime: now, ...fields }],
      ['link', directoryId, name, id],
    );
    this.#commit(changes);
    return this.tree.lookup(directory, name)!;
  }

  #remove(directory: Inode, name: string): void {
    const changes: Change[] = [];
    changes.push(['unlink', this.#intern(directory, changes), name]);
    this.#commit(changes, true);
  }

  /** Makes sure the journal knows the inode: adds its introduction to `changes` if it does not. */
  #intern(inode: Inode, changes: Change[]): number {
    if (inode.journalId !== 0) return inode.journalId;
    const introduced = changes.find((change) => change[0] === 'node' && change[2].base === inode.base!.sourcePath);
    if (introduced?.[0] === 'node') return introduced[1];
    const id = this.tree.allocateId();
    changes.push(['node', id, nodeFields(inode, this.attributes(inode))]);
    return id;
  }

  #commit(changes: readonly Change[], frees = false): void {
    const record = { time: Date.now(), changes };
    const sequence = this.#options.journal.append(encodeRecord(record), frees);
    this.tree.apply(record);
    this.#lifetimes.settle(sequence);
  }

  #mustExist(directory: Inode, name: string): Inode {
    mustAccept(this.root, directory, name);
    const inode = this.tree.lookup(directory, name);
    if (inode === null) throw new SystemError('ENOENT');
    return inode;
  }

  #mustBeNew(directory: Inode, name: string, isTablespace = false): void {
    mustAccept(this.root, directory, name, isTablespace);
    if (this.tree.lookup(directory, name) !== null) throw new SystemError('EEXIST');
  }

  #guardTablespaces(directory: Inode, name: string, target: string, isNew = false): string {
    const kept = tablespaceLink(this.tree, this.root, directory, name, target, this.#options.mountpoint);
    // Only a link that is being made can lead elsewhere than it says.
    if (kept === target || (isNew && kept !== undefined)) return kept;
    this.#options.warn(`refused the link pg_tblspc/${name} -> ${target}: it leads out of the mount`);
    throw new SystemError('EPERM');
  }
}
