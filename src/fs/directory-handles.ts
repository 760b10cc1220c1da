// Open directories: each keeps the names it had when reading began, so that positions stay valid while names change.

import { SystemError } from '../errors.js';
import type { BaseNode } from '../overlay/namespace/base-node.js';
import { Inode, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../overlay/namespace/inode.js';
import type { Overlay } from '../overlay/overlay.js';
import { OUT_HEADER, size } from './protocol/constants.js';
import type { Reply } from './protocol/reply.js';

type Entry = readonly [name: string, entry: Inode | BaseNode<Inode>];

interface OpenDirectory {
  entries: Entry[] | null;
}

const DIRENT_HEADER = 24;

export class DirectoryHandles {
  readonly #overlay: Overlay;
  readonly #reply: Reply;
  readonly #open = new Map<number, OpenDirectory>();
  #next = 1;

  constructor(overlay: Overlay, reply: Reply) {
    this.#overlay = overlay;
    this.#reply = reply;
  }

  /** A handle that was never used before. */
  open(inode: Inode): number {
    if (!inode.isDirectory) throw new SystemError('ENOTDIR');
    const handle = this.#next++;
    this.#open.set(handle, { entries: null });
    return handle;
  }

  close(handle: number): void {
    this.#open.delete(handle);
  }

  /**
   * READDIR and READDIRPLUS: entries from position `from` on, as many as fit into `capacity` bytes. Reading from the
   * start looks at the directory afresh. Returns the bytes written.
   */
  read(inode: Inode, handle: number, from: number, capacity: number, plus: boolean): number {
    const directory = this.#open.get(handle);
    if (directory === undefined) throw new SystemError('EBADF');
    if (from === 0 || directory.entries === null) directory.entries = this.#names(inode);
    const { entries } = directory;
    let used = 0;
    for (let position = from; position < entries.length; position++) {
      const [name, entry] = entries[position]!;
      const length = align8((plus ? size.entry : 0) + DIRENT_HEADER + name.length);
      if (used + length > capacity) break;
      try {
        this.#entry(used, inode, name, entry, position + 1, plus);
      } catch (error) {
        // What is in the reply carries references that the kernel has to learn of; the next read fails instead.
        if (used > 0) break;
        throw error;
      }
      used += length;
    }
    return used;
  }

  #names(inode: Inode): Entry[] {
    return [['.', inode], ['..', inode.parent ?? inode], ...this.#overlay.list(inode)];
  }

  #entry(
    offset: number,
    directory: Inode,
    name: string,
    entry: Inode | BaseNode<Inode>,
    next: number,
    plus: boolean,
  ): void {
    let at = offset;
    let ino = entry instanceof Inode ? entry.attributes.ino : entry.ino;
    if (plus) {
      const isBare = name === '.' || name === '..' || this.#overlay.namespace.rows.isFull;
      const inode = isBare ? null : this.#overlay.lookup(directory, name);
      if (inode === null) {
        // `.` and `..` carry no lookup, neither does a name that is gone by now, and none does when there can be no more inodes.
        // A name is looked up again because the kernel will remember what it is told here, and the listing may be older
        // than a rename.
        this.#reply.clear(at, size.entry);
      } else {
        this.#overlay.namespace.reference(inode);
        const attributes = this.#overlay.namespace.attributes(inode);
        const seconds = inode.virtual === null ? undefined : 0;
        this.#reply.entry(at, inode.row, inode.generation, attributes, seconds);
        ino = attributes.ino;
      }
      at += size.entry;
    }
    this.#reply.u64(at, ino);
    this.#reply.u64(at + 8, next);
    this.#reply.u32(at + 16, name.length);
    this.#reply.u32(at + 20, typeOf(entry) >>> 12);
    const start = OUT_HEADER + at + DIRENT_HEADER;
    const end = OUT_HEADER + align8(at + DIRENT_HEADER + name.length);
    this.#reply.bytes.write(name, start, 'latin1');
    this.#reply.bytes.fill(0, start + name.length, end);
  }
}

function typeOf(entry: Inode | BaseNode<Inode>): number {
  if (entry instanceof Inode) return entry.attributes.mode & S_IFMT;
  if (entry.kind === 'dir') return S_IFDIR;
  return entry.kind === 'symlink' ? S_IFLNK : S_IFREG;
}

function align8(value: number): number {
  return Math.ceil(value / 8) * 8;
}
