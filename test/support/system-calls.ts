// System calls for tests that Node does not have, and that nothing in src needs. Paths are UTF-8.

import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import type koffi from 'koffi';

const ffi = createRequire(import.meta.url)('koffi') as typeof koffi;
const libc = ffi.load(null);
type Call = (...args: readonly unknown[]) => unknown;
const bind = (prototype: string): Call => libc.func(prototype) as unknown as Call;

const c = {
  renameat2: bind('int renameat2(int from, const void *old, int to, const void *fresh, unsigned int flags)'),
  utimensat: bind('int utimensat(int directory, const void *path, const void *times, int flags)'),
  setxattr: bind('int setxattr(const void *path, const void *name, const void *value, size_t size, int flags)'),
  getxattr: bind('int64_t getxattr(const void *path, const void *name, void *value, size_t size)'),
  listxattr: bind('int64_t listxattr(const void *path, void *list, size_t size)'),
  removexattr: bind('int removexattr(const void *path, const void *name)'),
  lseek: bind('int64_t lseek(int fd, int64_t offset, int whence)'),
  mmap: bind('void *mmap(void *at, size_t length, int protection, int flags, int fd, int64_t offset)'),
  munmap: bind('int munmap(void *at, size_t length)'),
  msync: bind('int msync(void *at, size_t length, int flags)'),
  memcpyOut: bind('void *memcpy(void *to, const void *from, size_t length)'),
};

/** renameat2(2) flags, from linux/fs.h. */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

/** lseek(2), from unistd.h. */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MS_SYNC = 4;

/** @throws like node:fs, with `code` */
function checked(name: string, result: unknown): number {
  const number = Number(result);
  if (number >= 0) return number;
  const code = getSystemErrorName(-ffi.errno());
  throw Object.assign(new Error(`${code}: ${name}`), { code, syscall: name });
}

function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function renameat2(from: string, to: string, flags: number): void {
  checked('renameat2', c.renameat2(AT_FDCWD, cstring(from), AT_FDCWD, cstring(to), flags));
}

/** Nanoseconds since 1970, the time of the call, or the old value. */
export type Time = bigint | 'now' | 'omit';

/** utimensat(2) of the name itself, not of where a link leads. */
export function utimens(path: string, atime: Time, mtime: Time): void {
  const times = Buffer.alloc(32);
  for (const [i, time] of [atime, mtime].entries()) {
    const nanoseconds = time === 'now' ? UTIME_NOW : time === 'omit' ? UTIME_OMIT : time % 1_000_000_000n;
    if (typeof time === 'bigint') times.writeBigInt64LE(time / 1_000_000_000n, i * 16);
    times.writeBigInt64LE(BigInt(nanoseconds), i * 16 + 8);
  }
  checked('utimensat', c.utimensat(AT_FDCWD, cstring(path), times, AT_SYMLINK_NOFOLLOW));
}

export const xattr = {
  set: (path: string, name: string): void => {
    checked('setxattr', c.setxattr(cstring(path), cstring(name), Buffer.from('x'), 1, 0));
  },
  get: (path: string, name: string): number =>
    checked('getxattr', c.getxattr(cstring(path), cstring(name), Buffer.alloc(64), 64)),
  list: (path: string): number => checked('listxattr', c.listxattr(cstring(path), Buffer.alloc(64), 64)),
  remove: (path: string, name: string): void => {
    checked('removexattr', c.removexattr(cstring(path), cstring(name)));
  },
};

export function lseek(fd: number, offset: number, whence: number): number {
  return checked('lseek', c.lseek(fd, offset, whence));
}

/** A shared writable mapping of the first bytes of a file. */
export class Mapping {
  readonly #at: unknown;
  readonly #length: number;

  constructor(fd: number, length: number) {
    this.#at = c.mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
    this.#length = length;
    if (BigInt.asIntN(64, ffi.address(this.#at)) === -1n) checked('mmap', -1);
  }

  read(): Buffer {
    const bytes = Buffer.alloc(this.#length);
    c.memcpyOut(bytes, this.#at, this.#length);
    return bytes;
  }

  /** Replaces all of it. */
  write(bytes: Buffer): void {
    c.memcpyOut(this.#at, bytes, this.#length);
  }

  sync(): void {
    checked('msync', c.msync(this.#at, this.#length, MS_SYNC));
  }

  close(): void {
    checked('munmap', c.munmap(this.#at, this.#length));
  }
}
