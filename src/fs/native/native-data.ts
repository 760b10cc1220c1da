// libfuse's calls about the data of a file, by path or handle.

import { constants } from 'node:fs';
import { SystemError } from '../../errors.js';
import type { DataEngine } from '../../overlay/data/data-engine.js';
import { HIDDEN_DIRECTORY } from '../../overlay/namespace/hidden-directory.js';
import type { Inode } from '../../overlay/namespace/inode.js';
import { rowKind, word } from '../../overlay/shared/row-layout.js';
import type { SharedState } from '../../overlay/shared/shared-state.js';
import type { NativePaths } from './native-paths.js';
import type { OpenFiles } from './open-files.js';
import type { SillyRenames } from './silly-renames.js';

export interface NativeDataOptions {
  readonly engine: DataEngine;
  readonly shared: SharedState;
  /** null: read-only */
  readonly diff: string | null;
  /** fsync is only noted down */
  readonly perfUnsafe: boolean;
  warn(message: string): void;
}

export class NativeData {
  readonly #options: NativeDataOptions;
  readonly #engine: DataEngine;
  readonly #paths: NativePaths;
  readonly #files: OpenFiles;
  readonly #silly: SillyRenames;

  constructor(options: NativeDataOptions, paths: NativePaths, files: OpenFiles, silly: SillyRenames) {
    this.#options = options;
    this.#engine = options.engine;
    this.#paths = paths;
    this.#files = files;
    this.#silly = silly;
  }

  /** A handle. */
  open(path: string, flags: number): number {
    const inode = this.#paths.find(path);
    if (inode.isDirectory) throw new SystemError('EISDIR');
    if ((flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0) {
      this.mustBeWritable();
      if (inode.virtual !== null) throw new SystemError('EPERM');
      this.#mustHaveOneName(inode, path);
    }
    return this.#files.open(inode);
  }

  release(handle: number): number {
    this.#files.close(handle);
    return 0;
  }

  read(handle: number, out: Buffer, length: number, position: number): number {
    const inode = this.#files.get(handle);
    if (inode.virtual !== null) {
      const part = inode.virtual.subarray(position, position + length);
      out.set(part);
      return part.length;
    }
    this.#mustBeFile(inode);
    return this.#engine.read(inode.row, inode.generation, position, length, out, 0);
  }

  write(handle: number, data: Buffer, length: number, position: number): number {
    const inode = this.#files.get(handle);
    this.mustBeWritable();
    this.#mustBeFile(inode);
    // The kernel clears set-id bits by a chmod of its own: libfuse did not offer to do it.
    return this.#engine.write(inode.row, inode.generation, data, 0, length, position, false);
  }

  ftruncate(handle: number, length: number): number {
    this.#truncate(this.#files.get(handle), length);
    return 0;
  }

  truncate(path: string, length: number): number {
    const inode = this.#paths.find(path);
    if (inode.isDirectory) throw new SystemError('EISDIR');
    this.mustBeWritable();
    this.#mustHaveOneName(inode, path);
    this.#files.hold(inode);
    try {
      this.#truncate(inode, length);
    } finally {
      this.#files.letGo(inode);
    }
    return 0;
  }

  fsync(handle: number): number {
    const inode = this.#files.get(handle);
    if (inode.virtual === null && !this.#options.perfUnsafe) this.#engine.sync(inode.row, inode.generation);
    return 0;
  }

  /** Of the hidden directory: everything, see `pbkfs sync`. */
  fsyncdir(path: string): number {
    if (path === `/${HIDDEN_DIRECTORY}`) this.#engine.syncAll();
    else if (!this.#options.perfUnsafe) this.#engine.syncNames();
    return 0;
  }

  #truncate(inode: Inode, length: number): void {
    this.#mustBeFile(inode);
    this.#engine.truncate(inode.row, inode.generation, length, false);
  }

  /**
   * To libfuse and the kernel each name is a file of its own, with pages and a length of its own: a write through one
   * name would not be seen, and might be overwritten, through another. So a file with several names cannot be changed.
   */
  #mustHaveOneName(inode: Inode, path: string): void {
    if (inode.isDirectory || inode.links + this.#silly.countOf(inode) <= 1) return;
    this.#options.warn(
      `refused to change ${path}: it has several names, and with fuse-native such a file is read-only`,
    );
    throw new SystemError('ETXTBSY');
  }

  #mustBeFile(inode: Inode): void {
    if (this.#options.shared.table.get(inode.row, word.kind) === rowKind.other) throw new SystemError('EPERM');
  }

  /** @throws EROFS on a read-only mount */
  mustBeWritable(): void {
    if (this.#options.diff === null) throw new SystemError('EROFS');
  }
}
