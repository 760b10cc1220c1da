// libfuse's calls, by path or handle, on the overlay: those about names and attributes here, those about data in
// native-data.ts. Each returns a result of at least 0 or throws; the same names and data engine as behind the kernel
// protocol, all in one thread, so that no call ever waits for another one.

import { SystemError } from '../../errors.js';
import { BaseNode } from '../../overlay/namespace/base-node.js';
import { type Inode, S_IFDIR, S_IFLNK, S_IFREG } from '../../overlay/namespace/inode.js';
import type { Caller } from '../../overlay/namespace/namespace-options.js';
import type { AttributeFields } from '../../overlay/namespace/records.js';
import type { VirtualName } from '../../overlay/namespace/virtual-file.js';
import type { Overlay } from '../../overlay/overlay.js';
import type { Attributes } from '../../overlay/shared/attributes.js';
import { timestampOf } from '../../overlay/shared/timestamp.js';
import { FileSystemStat } from '../file-system-stat.js';
import { bytesOf, textOf } from './byte-text.js';
import { NativeData, type NativeDataOptions } from './native-data.js';
import { NativePaths } from './native-paths.js';
import { listedStat, mtimeOf, statfsWords } from './native-records.js';
import { OpenFiles } from './open-files.js';
import { isSillyName, SillyRenames } from './silly-renames.js';
import { VirtualSnapshots } from './virtual-snapshots.js';

/** chown(2) for "leave it". */
const NO_ID = 2 ** 32 - 1;

export interface NativeDispatchOptions extends NativeDataOptions {
  readonly overlay: Overlay;
  /** who owns what is made: fuse-native does not tell who asks */
  readonly owner: Caller;
  /** what a status file holds now */
  content(name: VirtualName): Promise<Uint8Array>;
}

export interface Listing {
  readonly names: string[];
  readonly stats: Uint32Array[];
}

export class NativeDispatch {
  readonly files: OpenFiles;
  readonly silly: SillyRenames;
  readonly data: NativeData;
  readonly #options: NativeDispatchOptions;
  readonly #overlay: Overlay;
  readonly #paths: NativePaths;
  readonly #virtual: VirtualSnapshots;
  readonly #fileSystem: FileSystemStat;

  constructor(options: NativeDispatchOptions) {
    this.#options = options;
    this.#overlay = options.overlay;
    this.#fileSystem = new FileSystemStat(options.overlay, options.diff);
    this.files = new OpenFiles(options.overlay);
    this.silly = new SillyRenames(options.overlay.namespace, this.files);
    this.#virtual = new VirtualSnapshots(async (name) =>
      options.overlay.hidden.virtualFile(name, await options.content(name)),
    );
    this.#paths = new NativePaths(options.overlay, this.silly, this.#virtual);
    this.data = new NativeData(options, this.#paths, this.files, this.silly);
  }

  /** To be waited for before getattr; null: there is nothing to wait for. */
  refresh(path: string): Promise<void> | null {
    return this.#virtual.refresh(path);
  }

  getattr(path: string): Readonly<Attributes> {
    const inode = this.#paths.find(path);
    // The file table counts names only for inodes it has.
    inode.attributes.nlink = inode.nlink;
    const attributes = this.#overlay.namespace.attributes(inode);
    this.#drop(inode);
    return attributes;
  }

  fgetattr(handle: number): Readonly<Attributes> {
    return this.#overlay.namespace.attributes(this.files.get(handle));
  }

  readdir(path: string): Listing {
    const directory = this.#paths.find(path);
    if (!directory.isDirectory) throw new SystemError('ENOTDIR');
    const parent = directory.parent ?? directory;
    const names = ['.', '..'];
    const stats = [directory, parent].map((inode) => listedStat(inode.attributes.ino, S_IFDIR));
    for (const [name, entry] of this.#overlay.list(directory)) {
      names.push(textOf(name));
      stats.push(
        entry instanceof BaseNode
          ? listedStat(entry.ino, baseMode(entry))
          : listedStat(entry.attributes.ino, this.#overlay.namespace.attributes(entry).mode),
      );
    }
    return { names, stats };
  }

  readlink(path: string): string {
    const { target } = this.#paths.find(path);
    if (target === null) throw new SystemError('EINVAL');
    return textOf(target);
  }

  statfs(): Uint32Array {
    return statfsWords(this.#fileSystem.now());
  }

  create(path: string, mode: number): number {
    return this.files.open(this.#make(path, S_IFREG | (mode & 0o7777), 0));
  }

  mknod(path: string, mode: number, rdev: number): number {
    this.#make(path, mode, rdev);
    return 0;
  }

  mkdir(path: string, mode: number): number {
    const [directory, name] = this.#parentOf(path);
    this.#mustBeOurs(name);
    this.#overlay.namespace.mkdir(directory, name, mode, this.#options.owner);
    return 0;
  }

  symlink(target: string, path: string): number {
    const [directory, name] = this.#parentOf(path);
    this.#mustBeOurs(name);
    this.#overlay.namespace.symlink(directory, name, bytesOf(target), this.#options.owner);
    return 0;
  }

  /** Only of a file that nobody has open, see NativeData. */
  link(existing: string, path: string): number {
    const inode = this.#paths.find(existing);
    const [directory, name] = this.#parentOf(path);
    this.#mustBeOurs(name);
    if (this.files.openCount(inode) > 0) {
      this.#options.warn(`refused the link ${path}: ${existing} is open`);
      throw new SystemError('ETXTBSY');
    }
    this.#overlay.namespace.link(inode, directory, name);
    return 0;
  }

  unlink(path: string): number {
    const [directory, name] = this.#parentOf(path);
    if (this.silly.end(name)) return 0;
    const inode = this.#overlay.lookup(directory, name);
    this.#overlay.namespace.unlink(directory, name);
    if (inode !== null) this.files.nameGone(inode);
    return 0;
  }

  rmdir(path: string): number {
    const [parent, name] = this.#parentOf(path);
    const directory = this.#overlay.lookup(parent, name);
    if (directory !== null) this.silly.mustBeEmpty(directory);
    this.#overlay.namespace.rmdir(parent, name);
    return 0;
  }

  rename(locals: Buffer, from: string, to: string): number {
    const [oldDirectory, oldName] = this.#parentOf(from);
    const [newDirectory, newName] = this.#parentOf(to);
    if (isSillyName(newName)) {
      this.silly.begin(locals, from, oldDirectory, oldName, newName);
      return 0;
    }
    const replaced = this.#overlay.lookup(newDirectory, newName);
    if (replaced?.isDirectory) this.silly.mustBeEmpty(replaced);
    this.#overlay.namespace.rename(oldDirectory, oldName, newDirectory, newName, 0);
    if (replaced !== null) this.files.nameGone(replaced);
    return 0;
  }

  chmod(path: string, mode: number): number {
    return this.#change(path, { mode });
  }

  chown(path: string, uid: number, gid: number): number {
    const change = { ...(uid === NO_ID ? {} : { uid }), ...(gid === NO_ID ? {} : { gid }) };
    return Object.keys(change).length === 0 ? 0 : this.#change(path, change);
  }

  /** @param atime ms */
  utimens(locals: Buffer, path: string, atime: number): number {
    const mtime = mtimeOf(locals, atime);
    if (mtime === undefined) throw new SystemError('EOPNOTSUPP');
    return this.#change(path, { atime: timestampOf(atime), mtime: timestampOf(mtime) });
  }

  #change(path: string, change: AttributeFields): number {
    this.data.mustBeWritable();
    this.#overlay.namespace.setAttributes(this.#paths.find(path), change);
    return 0;
  }

  #make(path: string, mode: number, rdev: number): Inode {
    const [directory, name] = this.#parentOf(path);
    this.#mustBeOurs(name);
    return this.#overlay.namespace.create(directory, name, mode, rdev, this.#options.owner);
  }

  #parentOf(path: string): [directory: Inode, name: string] {
    this.data.mustBeWritable();
    return this.#paths.parentOf(path);
  }

  /** Lets go of an inode that neither a handle nor the diff refers to. */
  #drop(inode: Inode): void {
    if (inode.lookups === 0 && inode.virtual === null && !inode.isDirectory) this.#overlay.namespace.tree.forget(inode);
  }

  #mustBeOurs(name: string): void {
    if (isSillyName(name)) throw new SystemError('EPERM');
  }
}

function baseMode(node: BaseNode<Inode>): number {
  if (node.kind === 'dir') return S_IFDIR;
  return node.kind === 'symlink' ? S_IFLNK : S_IFREG;
}
