// The overlay as programs would see it, without a kernel: paths in place of nodeids, names and data in one thread.

import { closeSync, mkdirSync } from 'node:fs';
import { SystemError } from '../../src/errors.js';
import { type CounterSnapshot, Counters, createCounters, sumCounters } from '../../src/metrics/counters.js';
import { type AllocateMode, DataEngine } from '../../src/overlay/data/data-engine.js';
import { identified } from '../../src/overlay/data/identified.js';
import { BaseNode } from '../../src/overlay/namespace/base-node.js';
import { type Inode, S_IFDIR, S_IFMT, S_IFREG } from '../../src/overlay/namespace/inode.js';
import type { AttributeFields } from '../../src/overlay/namespace/records.js';
import { Overlay } from '../../src/overlay/overlay.js';
import type { Attributes } from '../../src/overlay/shared/attributes.js';
import { control, SharedState } from '../../src/overlay/shared/shared-state.js';
import { FakeBacking } from './backing-files.js';
import { type DirectOptions, overlayOptions } from './direct-options.js';
import { HeldPaths } from './held-paths.js';
import { OpenFile } from './open-file.js';

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
const CALLER = { uid: 1000, gid: 1000 };

/** Paths are byte strings (latin1), relative to the mount's root, '' for the root itself. */
export class DirectOverlay {
  readonly overlay: Overlay;
  readonly engine: DataEngine;
  readonly shared: SharedState;
  readonly warnings: string[] = [];
  /** How often something gave reason to look whether the chain is still the same. */
  suspicions = 0;
  /** objects whose writeback the engine has asked for */
  readonly writebacks: string[] = [];
  /** in the kernel's place, where files are its own */
  readonly backing = new FakeBacking();
  readonly #paths: HeldPaths;
  readonly #files = new Set<OpenFile>();

  constructor(options: DirectOptions) {
    mkdirSync(options.diff, { recursive: true });
    const counters = createCounters();
    this.shared = SharedState.create(counters, 4096, 64 << 20);
    const warn = (message: string) => void this.warnings.push(message);
    if (options.passthrough) Atomics.store(this.shared.control, control.passthrough, 1);
    const overlay = overlayOptions(options, CALLER, warn);
    this.overlay = new Overlay(this.shared, overlay);
    this.overlay.passthrough.use(this.backing);
    this.#paths = new HeldPaths(this.overlay);
    this.engine = new DataEngine({
      shared: this.shared,
      namespace: {
        describe: (row, generation) => identified(this.overlay, row, generation),
        loadDiff: (row, generation) => void this.overlay.loadDiff(row, generation),
        ensureObject: (row, generation) => void this.overlay.ensureObject(row, generation),
        holdUnsynced: (after) => this.overlay.holdUnsynced(after),
        release: (row, generation) => this.overlay.forget(row, generation, 1),
      },
      objects: this.overlay.objects.directory,
      chain: overlay.chain.members.map(({ id }) => id),
      counters: new Counters(counters, 1),
      fdLimit: options.fdLimit ?? 16,
      materializeOnRead: options.materializeOnRead ?? false,
      verify: options.verify ?? 'checksum',
      warn,
      suspect: () => void this.suspicions++,
      writeBack: (objectId) => void this.writebacks.push(objectId),
    });
  }

  /** Whether inodes stay referenced until dropCaches, as the kernel keeps them, or are forgotten after every call. */
  set keepInodes(keep: boolean) {
    this.#paths.keep = keep;
  }

  /** The clean end, as after an unmount. @param forgets whether the kernel has forgotten all inodes, which it need not */
  close(forgets = true): void {
    for (const file of [...this.#files]) file.close();
    if (forgets) this.dropCaches();
    this.engine.close();
    this.overlay.close();
  }

  /** The end by kill -9: nothing is written any more, the descriptors go as they do with the process. */
  kill(): void {
    this.engine.close();
    closeSync(Atomics.load(this.shared.control, control.journalFd));
    closeSync(Atomics.load(this.shared.control, control.objectsFd));
  }

  /** Forgets every inode that no open file needs, children before parents, and removes what nobody needs then. */
  dropCaches(): void {
    this.#paths.drop();
    this.engine.syncNames();
    this.overlay.tidy();
  }

  counters(): CounterSnapshot {
    return sumCounters(this.shared.buffers.counters);
  }

  stat(path: string, { follow = false } = {}): Attributes {
    return this.#paths.using(() => ({ ...this.overlay.namespace.attributes(this.#paths.resolve(path, follow)) }));
  }

  exists(path: string): boolean {
    try {
      this.stat(path);
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return false;
      throw error;
    }
  }

  /** Names of a directory, sorted, with the inode numbers a listing shows. */
  readdir(path: string): Map<string, number> {
    return this.#paths.using(() => {
      const directory = this.#paths.resolve(path, true);
      if (!directory.isDirectory) throw new SystemError('ENOTDIR');
      const names = [...this.overlay.namespace.list(directory)].map(
        ([name, entry]) => [name, entry instanceof BaseNode ? entry.ino : entry.attributes.ino] as const,
      );
      return new Map(names.sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  }

  /** Opens a file; it stays usable when its name goes. */
  open(path: string): OpenFile {
    return this.#paths.using(() => {
      const inode = this.#paths.resolve(path, true);
      if (inode.isDirectory) throw new SystemError('EISDIR');
      return this.#file(inode);
    });
  }

  create(path: string, mode = 0o600): OpenFile {
    return this.#paths.using(() => {
      const [directory, name] = this.#paths.parent(path);
      const made = this.overlay.namespace.create(directory, name, S_IFREG | (mode & 0o7777), 0, CALLER);
      return this.#file(made);
    });
  }

  mknod(path: string, mode: number, rdev = 0): void {
    this.#paths.using(() => {
      const [directory, name] = this.#paths.parent(path);
      this.#paths.hold(this.overlay.namespace.create(directory, name, mode, rdev, CALLER));
    });
  }

  /** Reads at most `length` bytes. */
  read(path: string, position: number, length: number): Buffer {
    return this.#with(path, (file) => file.read(position, length));
  }

  /** The whole file, by chunks as the kernel would ask for them. */
  readAll(path: string): Buffer {
    return this.#with(path, (file) => file.readAll());
  }

  write(path: string, position: number, data: Uint8Array): number {
    return this.#with(path, (file) => file.write(position, data));
  }

  truncate(path: string, length: number): void {
    this.#with(path, (file) => file.truncate(length));
  }

  fallocate(path: string, from: number, length: number, how: Partial<AllocateMode> = {}): void {
    this.#with(path, (file) => file.fallocate(from, length, how));
  }

  fsync(path: string): void {
    this.#with(path, (file) => file.fsync());
  }

  /** sync of everything, as an fsync of the hidden directory asks for it */
  syncAll(): void {
    this.engine.syncAll();
  }

  fsyncdir(path: string): void {
    this.#paths.using(() => {
      if (!this.#paths.resolve(path, true).isDirectory) throw new SystemError('ENOTDIR');
      this.engine.syncNames();
    });
  }

  mkdir(path: string, mode = 0o700): void {
    this.#paths.using(() => {
      const [directory, name] = this.#paths.parent(path);
      this.#paths.hold(this.overlay.namespace.mkdir(directory, name, mode, CALLER));
    });
  }

  rmdir(path: string): void {
    this.#paths.using(() => this.overlay.namespace.rmdir(...this.#paths.parentOfKnown(path)));
  }

  unlink(path: string): void {
    this.#paths.using(() => this.overlay.namespace.unlink(...this.#paths.parentOfKnown(path)));
  }

  symlink(target: string, path: string): void {
    this.#paths.using(() => {
      const [directory, name] = this.#paths.parent(path);
      this.#paths.hold(this.overlay.namespace.symlink(directory, name, target, CALLER));
    });
  }

  readlink(path: string): string {
    return this.#paths.using(() => {
      const { target } = this.#paths.resolve(path, false);
      if (target === null) throw new SystemError('EINVAL');
      return target;
    });
  }

  link(existing: string, path: string): void {
    this.#paths.using(() => {
      const inode = this.#paths.resolve(existing, false);
      this.overlay.namespace.link(inode, ...this.#paths.parent(path));
    });
  }

  rename(from: string, to: string, flags = 0): void {
    // The kernel itself refuses to move a directory below itself.
    if (to.startsWith(`${from}/`)) throw new SystemError('EINVAL');
    if (from.startsWith(`${to}/`)) throw new SystemError(flags & RENAME_EXCHANGE ? 'EINVAL' : 'ENOTEMPTY');
    this.#paths.using(() => {
      const [oldDirectory, oldName] = this.#paths.parentOfKnown(from);
      const [newDirectory, newName] = this.#paths.parentOfKnown(to);
      this.overlay.namespace.rename(oldDirectory, oldName, newDirectory, newName, flags);
    });
  }

  chmod(path: string, mode: number): void {
    this.#setAttributes(path, { mode });
  }

  chown(path: string, uid: number, gid: number): void {
    this.#setAttributes(path, { uid, gid });
  }

  /** Times as [seconds, nanoseconds]; what is left out stays. */
  utimens(path: string, times: Pick<AttributeFields, 'atime' | 'mtime'>): void {
    this.#setAttributes(path, times);
  }

  /** Used by OpenFile. */
  release(file: OpenFile): void {
    this.#files.delete(file);
    this.#paths.forget(file.inode);
  }

  #setAttributes(path: string, change: AttributeFields): void {
    this.#paths.using(() => this.overlay.namespace.setAttributes(this.#paths.resolve(path, false), change));
  }

  #with<T>(path: string, use: (file: OpenFile) => T): T {
    const file = this.open(path);
    try {
      return use(file);
    } finally {
      file.close();
    }
  }

  #file(inode: Inode): OpenFile {
    this.overlay.namespace.reference(inode);
    const file = new OpenFile(this, inode);
    this.#files.add(file);
    return file;
  }
}

/** Whether a mode is a directory's. */
export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}
