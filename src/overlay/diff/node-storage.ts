// DiffStorage on a real file system.

import fs from 'node:fs';
import { replaceDescriptor } from '../../sys/libc.js';
import { type DiffStorage, hasCode, type OpenMode } from './storage.js';

const flags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

/** What file systems without fallocate say (NFSv3, ZFS mode by mode): Node's name of EOPNOTSUPP. */
const UNSUPPORTED = 'ENOTSUP';

/** Bytes that one call reads or writes. */
const MOST = 2 ** 30;

/** fallocate(2) with one mode. Throws with Node's error codes. */
export type Fallocate = (fd: number, offset: number, length: number) => void;

export interface NodeStorageOptions {
  /** with mode 0: extends and reserves */
  readonly fallocate?: Fallocate;
  /** with FALLOC_FL_KEEP_SIZE: reserves only */
  readonly reserve?: Fallocate;
  /** with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE */
  readonly punch?: Fallocate;
  /** called when a sync or a close has failed: what was written before may be lost */
  readonly lost?: () => void;
}

/** The real thing. Pass calls of fallocate(2) (Node has none of its own) so that space is reserved. */
export class NodeStorage implements DiffStorage {
  readonly #fallocate: Fallocate | undefined;
  readonly #reserve: Fallocate | undefined;
  readonly #punch: Fallocate | undefined;
  readonly #lost: (() => void) | undefined;

  constructor({ fallocate, reserve, punch, lost }: NodeStorageOptions = {}) {
    this.#fallocate = fallocate;
    this.#reserve = reserve;
    this.#punch = punch;
    this.#lost = lost;
  }

  open(path: string, mode: OpenMode): number {
    return fs.openSync(path, flags[mode], 0o600);
  }

  pread(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    // node:fs cuts lengths to 32 bits; whoever wants more asks again.
    return fs.readSync(fd, buffer, offset, Math.min(length, MOST), position);
  }

  pwrite(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
    return fs.writeSync(fd, buffer, offset, Math.min(length, MOST), position);
  }

  ftruncate(fd: number, length: number): void {
    fs.ftruncateSync(fd, length);
  }

  allocate(fd: number, from: number, to: number): void {
    if (this.#fallocate !== undefined) {
      try {
        this.#fallocate(fd, from, to - from);
        return;
      } catch (error) {
        // A hole keeps the promise of zeros, not of space.
        if (!hasCode(error, UNSUPPORTED)) throw error;
      }
    }
    fs.ftruncateSync(fd, to);
  }

  reserve(fd: number, from: number, length: number): void {
    try {
      this.#reserve?.(fd, from, length);
    } catch (error) {
      if (!hasCode(error, UNSUPPORTED)) throw error;
    }
  }

  punch(fd: number, from: number, to: number): boolean {
    if (this.#punch === undefined) return false;
    try {
      this.#punch(fd, from, to - from);
      return true;
    } catch (error) {
      if (!hasCode(error, UNSUPPORTED)) throw error;
      return false;
    }
  }

  fdatasync(fd: number): void {
    this.#noting(() => fs.fdatasyncSync(fd));
  }

  fsyncDir(path: string): void {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      this.#noting(() => fs.fsyncSync(fd));
    } finally {
      fs.closeSync(fd);
    }
  }

  rename(from: string, to: string): void {
    fs.renameSync(from, to);
  }

  unlink(path: string): void {
    fs.unlinkSync(path);
  }

  readdir(path: string): string[] {
    return fs.readdirSync(path);
  }

  size(fd: number): number {
    return fs.fstatSync(fd).size;
  }

  replace(fd: number, next: number): void {
    try {
      replaceDescriptor(fd, next);
    } finally {
      fs.closeSync(next);
    }
  }

  close(fd: number): void {
    this.#noting(() => fs.closeSync(fd));
  }

  #noting(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#lost?.();
      throw error;
    }
  }
}
