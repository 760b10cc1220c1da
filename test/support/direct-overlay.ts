// The overlay as programs would see it, without a kernel: paths in place of nodeids, names and data in one thread.

import { closeSync, mkdirSync } from 'node:fs';
import { openCatalog, resolveChain, type VerifyMode } from '../../src/backup/index.js';
import { SystemError } from '../../src/errors.js';
import { type CounterSnapshot, Counters, createCounters, sumCounters } from '../../src/metrics/counters.js';
import { type AllocateMode, DataEngine } from '../../src/overlay/data/data-engine.js';
import { BaseNode } from '../../src/overlay/namespace/base-node.js';
import { type Inode, S_IFDIR, S_IFMT, S_IFREG } from '../../src/overlay/namespace/inode.js';
import type { AttributeFields } from '../../src/overlay/namespace/records.js';
import { Overlay } from '../../src/overlay/overlay.js';
import { type Attributes, rowKind, word } from '../../src/overlay/shared/file-table.js';
import { control, SharedState } from '../../src/overlay/shared/shared-state.js';

export interface DirectOptions {
  /** root of the catalog */
  readonly catalog: string;
  readonly instance?: string;
  /** default: latest */
  readonly backup?: string;
  /** mount a CORRUPT or ORPHAN backup */
  readonly force?: boolean;
  readonly diff: string;
  readonly mountpoint?: string;
  readonly materializeOnRead?: boolean;
  readonly afterPowerLoss?: boolean;
  /** bytes */
  readonly diffLimit?: number;
  readonly noWal?: boolean;
  readonly verify?: VerifyMode;
  /** descriptors the data engine may keep open */
  readonly fdLimit?: number;
  /** size from which the journal may be shortened, in bytes */
  readonly compactJournalFrom?: number;
}

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
const CALLER = { uid: 1000, gid: 1000 };
const CHUNK = 1 << 20;

/** Paths are byte strings (latin1), relative to the mount's root, '' for the root itself. */
export class DirectOverlay {
  readonly overlay: Overlay;
  readonly engine: DataEngine;
  readonly shared: SharedState;
  readonly warnings: string[] = [];
  /** objects whose writeback the engine has asked for */
  readonly writebacks: string[] = [];
  /** true: inodes stay referenced until dropCaches, as the kernel keeps them; false: forgotten after every call */
  keepInodes = false;
  /** references taken, in order: parents before children */
  readonly #held: Inode[] = [];
  readonly #files = new Set<OpenFile>();

  constructor(options: DirectOptions) {
    mkdirSync(options.diff, { recursive: true });
    const { force = false, instance = 'main', backup = 'latest' } = options;
    const chain = resolveChain(openCatalog(options.catalog), instance, backup, { force });
    const counters = createCounters();
    this.shared = SharedState.create(counters, 4096, 64 << 20);
    const warn = (message: string) => void this.warnings.push(message);
    this.overlay = new Overlay(this.shared, {
      chain,
      diff: options.diff,
      mountpoint: options.mountpoint ?? '/mnt/direct',
      uid: CALLER.uid,
      gid: CALLER.gid,
      afterPowerLoss: options.afterPowerLoss ?? false,
      ...(options.compactJournalFrom === undefined ? {} : { compactJournalFrom: options.compactJournalFrom }),
      ...(options.diffLimit === undefined ? {} : { diffLimit: options.diffLimit }),
      noWal: options.noWal ?? false,
      warn,
    });
    this.engine = new DataEngine({
      shared: this.shared,
      namespace: {
        describe: (row, generation) => JSON.parse(this.overlay.describe(row, generation)),
        loadDiff: (row, generation) => void this.overlay.loadDiff(row, generation),
        ensureObject: (row, generation) => void this.overlay.ensureObject(row, generation),
        holdUnsynced: (after) => this.overlay.holdUnsynced(after),
        release: (row, generation) => this.overlay.forget(row, generation, 1),
      },
      objects: this.overlay.objects.directory,
      counters: new Counters(counters, 1),
      fdLimit: options.fdLimit ?? 16,
      materializeOnRead: options.materializeOnRead ?? false,
      verify: options.verify ?? 'checksum',
      warn,
      writeBack: (objectId) => void this.writebacks.push(objectId),
    });
  }

  /** The clean end, as after an unmount. */
  close(): void {
    for (const file of [...this.#files]) file.close();
    this.dropCaches();
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
    while (this.#held.length > 0) this.#forget(this.#held.pop()!);
    this.engine.syncNames();
    this.overlay.tidy();
  }

  counters(): CounterSnapshot {
    return sumCounters(this.shared.buffers.counters);
  }

  stat(path: string, { follow = false } = {}): Attributes {
    return this.#using(() => ({ ...this.overlay.namespace.attributes(this.#resolve(path, follow)) }));
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
    return this.#using(() => {
      const directory = this.#resolve(path, true);
      if (!directory.isDirectory) throw new SystemError('ENOTDIR');
      const names = [...this.overlay.namespace.list(directory)].map(
        ([name, entry]) => [name, entry instanceof BaseNode ? entry.ino : entry.attributes.ino] as const,
      );
      return new Map(names.sort(([a], [b]) => (a < b ? -1 : 1)));
    });
  }

  /** Opens a file; it stays usable when its name goes. */
  open(path: string): OpenFile {
    return this.#using(() => {
      const inode = this.#resolve(path, true);
      if (inode.isDirectory) throw new SystemError('EISDIR');
      return this.#file(inode);
    });
  }

  create(path: string, mode = 0o600): OpenFile {
    return this.#using(() => {
      const [directory, name] = this.#parent(path);
      const made = this.overlay.namespace.create(directory, name, S_IFREG | (mode & 0o7777), 0, CALLER);
      return this.#file(made);
    });
  }

  mknod(path: string, mode: number, rdev = 0): void {
    this.#using(() => {
      const [directory, name] = this.#parent(path);
      this.#hold(this.overlay.namespace.create(directory, name, mode, rdev, CALLER));
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
    this.#using(() => {
      if (!this.#resolve(path, true).isDirectory) throw new SystemError('ENOTDIR');
      this.engine.syncNames();
    });
  }

  mkdir(path: string, mode = 0o700): void {
    this.#using(() => {
      const [directory, name] = this.#parent(path);
      this.#hold(this.overlay.namespace.mkdir(directory, name, mode, CALLER));
    });
  }

  rmdir(path: string): void {
    this.#using(() => this.overlay.namespace.rmdir(...this.#parentOfKnown(path)));
  }

  unlink(path: string): void {
    this.#using(() => this.overlay.namespace.unlink(...this.#parentOfKnown(path)));
  }

  symlink(target: string, path: string): void {
    this.#using(() => {
      const [directory, name] = this.#parent(path);
      this.#hold(this.overlay.namespace.symlink(directory, name, target, CALLER));
    });
  }

  readlink(path: string): string {
    return this.#using(() => {
      const { target } = this.#resolve(path, false);
      if (target === null) throw new SystemError('EINVAL');
      return target;
    });
  }

  link(existing: string, path: string): void {
    this.#using(() => {
      const inode = this.#resolve(existing, false);
      this.overlay.namespace.link(inode, ...this.#parent(path));
    });
  }

  rename(from: string, to: string, flags = 0): void {
    // The kernel itself refuses to move a directory below itself.
    if (to.startsWith(`${from}/`)) throw new SystemError('EINVAL');
    if (from.startsWith(`${to}/`)) throw new SystemError(flags & RENAME_EXCHANGE ? 'EINVAL' : 'ENOTEMPTY');
    this.#using(() => {
      const [oldDirectory, oldName] = this.#parentOfKnown(from);
      const [newDirectory, newName] = this.#parentOfKnown(to);
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
    this.#forget(file.inode);
  }

  #setAttributes(path: string, change: AttributeFields): void {
    this.#using(() => this.overlay.namespace.setAttributes(this.#resolve(path, false), change));
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

  #using<T>(act: () => T): T {
    try {
      return act();
    } finally {
      if (!this.keepInodes) while (this.#held.length > 0) this.#forget(this.#held.pop()!);
    }
  }

  #hold(inode: Inode): Inode {
    this.overlay.namespace.reference(inode);
    this.#held.push(inode);
    return inode;
  }

  #forget(inode: Inode): void {
    this.overlay.forget(inode.row, inode.generation, 1);
  }

  /** Whoever serves an overlay makes the content of its virtual files. */
  #lookup(directory: Inode, name: string): Inode | null {
    const virtual = this.overlay.hidden.virtualName(directory, name);
    return virtual === null
      ? this.overlay.lookup(directory, name)
      : this.overlay.hidden.virtualFile(virtual, Buffer.from(`made for ${virtual}\n`));
  }

  #parent(path: string): [Inode, string] {
    const slash = path.lastIndexOf('/');
    const directory = this.#resolve(slash < 0 ? '' : path.slice(0, slash), true);
    if (!directory.isDirectory) throw new SystemError('ENOTDIR');
    return [directory, path.slice(slash + 1)];
  }

  /** Like the kernel, looks the name itself up before it asks for a change to it. */
  #parentOfKnown(path: string): [Inode, string] {
    const [directory, name] = this.#parent(path);
    const inode = this.#lookup(directory, name);
    if (inode !== null) this.#hold(inode);
    return [directory, name];
  }

  #resolve(path: string, follow: boolean, depth = 0): Inode {
    if (depth > 8) throw new SystemError('ELOOP');
    const { root } = this.overlay.namespace;
    const steps = path.split('/').filter((step) => step !== '' && step !== '.');
    const walked: Inode[] = [root];
    for (const [at, step] of steps.entries()) {
      if (step === '..') {
        if (walked.length > 1) walked.pop();
        continue;
      }
      const inode = this.#lookup(walked.at(-1)!, step);
      if (inode === null) throw new SystemError('ENOENT');
      this.#hold(inode);
      if (inode.target !== null && (follow || at < steps.length - 1)) {
        const before = steps.slice(0, at).join('/');
        const after = steps.slice(at + 1).join('/');
        return this.#resolve(`${before}/${inode.target}/${after}`, follow, depth + 1);
      }
      walked.push(inode);
    }
    return walked.at(-1)!;
  }
}

/** A file that somebody holds open. */
export class OpenFile {
  readonly inode: Inode;
  readonly #direct: DirectOverlay;

  constructor(direct: DirectOverlay, inode: Inode) {
    this.#direct = direct;
    this.inode = inode;
  }

  read(position: number, length: number): Buffer {
    const { virtual, row, generation } = this.inode;
    if (virtual !== null) return Buffer.from(virtual.subarray(position, position + length));
    this.#mustBeFile();
    const out = Buffer.alloc(length, 0xee);
    return out.subarray(0, this.#direct.engine.read(row, generation, position, length, out, 0));
  }

  readAll(): Buffer {
    const parts: Buffer[] = [];
    for (let position = 0; ; position += CHUNK) {
      const part = this.read(position, CHUNK);
      parts.push(part);
      if (part.length < CHUNK) return Buffer.concat(parts);
    }
  }

  write(position: number, data: Uint8Array): number {
    this.#mustBeFile();
    const { row, generation } = this.inode;
    return this.#direct.engine.write(row, generation, data, 0, data.length, position, false);
  }

  truncate(length: number): void {
    this.#mustBeFile();
    this.#direct.engine.truncate(this.inode.row, this.inode.generation, length, false);
  }

  fallocate(from: number, length: number, { keepSize = false, zero = false }: Partial<AllocateMode> = {}): void {
    this.#mustBeFile();
    this.#direct.engine.allocate(this.inode.row, this.inode.generation, from, length, {
      keepSize,
      zero,
      dropSetId: false,
    });
  }

  fsync(): void {
    this.#direct.engine.sync(this.inode.row, this.inode.generation);
  }

  stat(): Attributes {
    return { ...this.#direct.overlay.namespace.attributes(this.inode) };
  }

  close(): void {
    this.#direct.release(this);
  }

  #mustBeFile(): void {
    const { table } = this.#direct.shared;
    if (table.get(this.inode.row, word.kind) === rowKind.other) throw new SystemError('EPERM');
  }
}

/** Whether a mode is a directory's. */
export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}
