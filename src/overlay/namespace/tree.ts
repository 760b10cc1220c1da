// The merged tree of names: the backup's, changed by the journal's records. Knows no kernel, no rows, no files.

import { PbkfsError } from '../../errors.js';
import { type Attributes, emptyAttributes } from '../shared/attributes.js';
import { nanosecondsOf, secondsOf } from '../shared/timestamp.js';
import type { BaseNode } from './base-node.js';
import type { BaseTree } from './base-tree.js';
import { DIFF_INO_BASE, Inode } from './inode.js';
import { type AttributeFields, type JournalRecord, type NodeFields, ROOT_JOURNAL_ID } from './records.js';

/** Owner and times of what comes from the backup, which stores neither. */
export interface BaseDefaults {
  uid: number;
  gid: number;
  /** seconds since 1970 */
  time: number;
}

/** What the tree's owner wants to know and decide. */
export interface TreeEvents {
  /** changes attributes wherever they live at the moment */
  update(inode: Inode, change: Partial<Attributes>): void;
  /** an inode lost its last name */
  nameless(inode: Inode): void;
  /** a name in `directory` leads to the inode now */
  linked(directory: Inode, name: string, inode: Inode): void;
}

export class Tree {
  readonly root: Inode;
  readonly #base: BaseTree<Inode>;
  readonly #defaults: BaseDefaults;
  readonly #events: TreeEvents;
  readonly #known = new Map<number, Inode>();
  #nextId = ROOT_JOURNAL_ID + 1;

  constructor(base: BaseTree<Inode>, defaults: BaseDefaults, events: TreeEvents) {
    this.#base = base;
    this.#defaults = defaults;
    this.#events = events;
    this.root = this.#baseInode(base.root, null);
    this.root.journalId = ROOT_JOURNAL_ID;
    this.root.parent = this.root;
    this.#known.set(ROOT_JOURNAL_ID, this.root);
  }

  /** Every inode the journal knows. */
  known(): IterableIterator<Inode> {
    return this.#known.values();
  }

  /** The highest journal id that was given out. */
  get newestId(): number {
    return this.#nextId - 1;
  }

  /** A journal id for an inode that is about to become known. */
  allocateId(): number {
    return this.#nextId++;
  }

  /** What a name leads to; null if there is nothing. */
  lookup(directory: Inode, name: string): Inode | null {
    const changed = directory.changed!.get(name);
    if (changed !== undefined) return changed;
    const node = directory.base?.children?.get(name);
    return node === undefined ? null : this.#baseInode(node, directory);
  }

  /** All names of a directory with what they lead to; the backup's untouched ones as nodes, without making inodes. */
  *entries(directory: Inode): IterableIterator<[name: string, entry: Inode | BaseNode<Inode>]> {
    for (const [name, inode] of directory.changed!) if (inode !== null) yield [name, inode];
    if (directory.base?.children) {
      for (const [name, node] of directory.base.children) {
        if (!directory.changed!.has(name)) yield [name, node.inode ?? node];
      }
    }
  }

  isEmpty(directory: Inode): boolean {
    return this.entries(directory).next().done === true;
  }

  /** Lets go of an inode that neither the kernel nor the journal refers to. */
  forget(inode: Inode): void {
    if (inode.journalId === 0) {
      if (inode.base !== null && inode.base.inode === inode) inode.base.inode = null;
    } else if (inode.links === 0) {
      this.#known.delete(inode.journalId);
      if (inode.base !== null && inode.base.inode === inode) inode.base.inode = null;
    }
  }

  /** Takes a record's changes over. The record has been validated, or comes from the journal. */
  apply(record: JournalRecord): void {
    const now = { ctime: secondsOf(record.time), ctimeNsec: nanosecondsOf(record.time) };
    const modified = { ...now, mtime: now.ctime, mtimeNsec: now.ctimeNsec };
    for (const change of record.changes) {
      switch (change[0]) {
        case 'node':
          this.#node(change[1], change[2], record.time);
          break;
        case 'link':
          this.#link(this.#get(change[1]), change[2], this.#get(change[3]), modified, now);
          break;
        case 'unlink':
          this.#unlink(this.#get(change[1]), change[2], modified, now);
          break;
        case 'attributes':
          this.#events.update(this.#get(change[1]), attributesFrom(change[2]));
          if (change[2].mtime !== undefined) this.#get(change[1]).mtimeSaid = record.time;
          break;
        case 'object':
          this.#get(change[1]).objectId = change[2];
          break;
        case 'counts': {
          const inode = this.#get(change[1]);
          inode.links = change[2];
          inode.subdirectories = change[3];
          this.#events.update(inode, { nlink: inode.nlink });
          break;
        }
        case 'opened':
        case 'clean':
          break;
      }
    }
  }

  #get(id: number): Inode {
    const inode = this.#known.get(id);
    if (inode === undefined) {
      throw new PbkfsError('diff_damaged', `the journal of the diff mentions inode ${id}, which no record introduced`, {
        hint: 'restore the diff from a copy, or start with a new, empty diff; pbkfs fsck tells more',
      });
    }
    return inode;
  }

  #node(id: number, fields: NodeFields, time: number): void {
    this.#nextId = Math.max(this.#nextId, id + 1);
    const known = this.#known.get(id);
    if (known !== undefined) {
      this.#events.update(known, attributesFrom(fields));
      known.mtimeSaid = time;
      return;
    }
    const inode = fields.base === undefined ? this.#newInode(id, fields) : this.#baseOf(fields.base);
    inode.journalId = id;
    // That a file of the backup has the time of the backup is known before its first write, but said with it.
    if (fields.base === undefined || fields.size !== undefined) inode.mtimeSaid = time;
    this.#known.set(id, inode);
    this.#events.update(inode, attributesFrom(fields));
    if (fields.size !== undefined) inode.attributes.size = fields.size;
    if (fields.blocks !== undefined) inode.heldBlocks = fields.blocks;
    if (fields.object !== undefined) inode.objectId = fields.object;
  }

  #newInode(id: number, fields: NodeFields): Inode {
    const attributes = emptyAttributes();
    attributes.ino = DIFF_INO_BASE + id;
    attributes.mode = fields.mode;
    attributes.rdev = fields.rdev ?? 0;
    if (fields.target !== undefined) attributes.size = fields.target.length;
    return new Inode(attributes, null, fields.target ?? null, 0);
  }

  #baseOf(path: string): Inode {
    const node = this.#base.find(path);
    if (node === null) {
      throw new PbkfsError('diff_foreign', `the diff changes ${path}, which the backup does not have`, {
        hint: 'mount the backup this diff was made with',
      });
    }
    return this.#baseInode(node, null);
  }

  #baseInode(node: BaseNode<Inode>, parent: Inode | null): Inode {
    if (node.inode === null) {
      const attributes = emptyAttributes();
      const { uid, gid, time } = this.#defaults;
      const inode = new Inode(
        Object.assign(attributes, {
          ino: node.ino,
          size: node.size,
          mode: node.mode,
          uid,
          gid,
          atime: time,
          mtime: time,
          ctime: time,
        }),
        node,
        node.kind === 'symlink' ? node.alias : null,
        1,
      );
      node.inode = inode;
    }
    // A file would keep the directory, and all above it, beyond the kernel's references to them.
    if (parent !== null && node.inode.isDirectory) node.inode.parent ??= parent;
    return node.inode;
  }

  #link(directory: Inode, name: string, inode: Inode, modified: Partial<Attributes>, now: Partial<Attributes>): void {
    const previous = this.lookup(directory, name);
    if (previous === inode) return;
    if (previous !== null) this.#drop(directory, previous, now);
    directory.changed!.set(name, inode);
    inode.links++;
    if (inode.isDirectory) {
      directory.subdirectories++;
      inode.parent = directory;
    }
    this.#events.update(inode, { ...now, nlink: inode.nlink });
    this.#events.update(directory, { ...modified, nlink: directory.nlink });
    this.#events.linked(directory, name, inode);
  }

  #unlink(directory: Inode, name: string, modified: Partial<Attributes>, now: Partial<Attributes>): void {
    const inode = this.lookup(directory, name);
    if (inode === null) return;
    if (directory.base?.children?.has(name)) directory.changed!.set(name, null);
    else directory.changed!.delete(name);
    this.#drop(directory, inode, now);
    this.#events.update(directory, { ...modified, nlink: directory.nlink });
  }

  /** One name of `inode` in `directory` is gone. */
  #drop(directory: Inode, inode: Inode, now: Partial<Attributes>): void {
    inode.links--;
    if (inode.isDirectory) directory.subdirectories--;
    this.#events.update(inode, { ...now, nlink: inode.nlink });
    if (inode.links === 0) this.#events.nameless(inode);
  }
}

/** Attributes of the file table from those of a record. */
export function attributesFrom(fields: AttributeFields): Partial<Attributes> {
  const result: Partial<Attributes> = {};
  if (fields.mode !== undefined) result.mode = fields.mode;
  if (fields.uid !== undefined) result.uid = fields.uid;
  if (fields.gid !== undefined) result.gid = fields.gid;
  if (fields.atime !== undefined) [result.atime, result.atimeNsec] = fields.atime;
  if (fields.mtime !== undefined) [result.mtime, result.mtimeNsec] = fields.mtime;
  if (fields.ctime !== undefined) [result.ctime, result.ctimeNsec] = fields.ctime;
  return result;
}
