// The system calls Node lacks, called in the C library through koffi; those of sockets stand in sockets.ts.

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type koffi from 'koffi';

type Koffi = typeof koffi;
/** A function of the C library: numbers, buffers and pointers of koffi in, an integer out. */
export type Call = (...args: readonly unknown[]) => number;

interface Libc {
  readonly errno: () => number;
  readonly mount: Call;
  readonly umount2: Call;
  readonly ioctl: Call;
  readonly flock: Call;
  readonly syncfs: Call;
  readonly utimensat: Call;
  readonly fallocate: Call;
  readonly dup2: Call;
  readonly dup3: Call;
  readonly ffi: Koffi;
}

/** mount(2) flags, from linux/mount.h. */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;

/** umount2(2) flags, from linux/fs.h. MNT_FORCE aborts a FUSE connection even when the call itself fails with EBUSY. */
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;

const O_CLOEXEC = 0o2000000;

/** flock(2) operations. */
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** fallocate(2) modes, from linux/falloc.h. */
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;

let loaded: Libc | undefined;

/** Loading koffi costs about 6 ms and some memory: a thread that makes none of these calls never does. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** For a thread that is going to need it and has time now. */
export function loadLibc(): void {
  libc();
}

function load(): Libc {
  const require = createRequire(import.meta.url);
  const ffi = require('koffi') as Koffi;
  // null is the running process itself, whose C library may be glibc or musl.
  const library = ffi.load(null);
  const bind = (prototype: string): Call => library.func(prototype) as unknown as Call;
  return {
    errno: () => ffi.errno(),
    mount: bind(
      'int mount(const void *source, const void *target, const void *type, unsigned long flags, const void *data)',
    ),
    umount2: bind('int umount2(const void *target, int flags)'),
    ioctl: bind('int ioctl(int fd, unsigned long request, void *argument)'),
    flock: bind('int flock(int fd, int operation)'),
    syncfs: bind('int syncfs(int fd)'),
    utimensat: bind('int utimensat(int directory, const void *path, const void *times, int flags)'),
    fallocate: bind('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    dup2: bind('int dup2(int from, int to)'),
    dup3: bind('int dup3(int from, int to, int flags)'),
    ffi,
  };
}

/** A function of the C library that few need: looked for when it is. @throws where there is none of that name */
export function bindCall<T = number>(prototype: string): (...args: readonly unknown[]) => T {
  return libc().ffi.load(null).func(prototype) as unknown as (...args: readonly unknown[]) => T;
}

/** An error shaped like those of node:fs: `code` 'EBUSY', negative `errno`, `syscall`, and `path` where there is one. */
export function systemError(syscall: string, number: number, path?: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-number);
  const where = path === undefined ? '' : ` '${path}'`;
  const error: NodeJS.ErrnoException = new Error(`${code}: ${syscall}${where}`);
  error.code = code;
  error.errno = -number;
  error.syscall = syscall;
  if (path !== undefined) error.path = path;
  return error;
}

/** A NUL-terminated copy; koffi's own strings are UTF-8 only, and a path is bytes. */
function cstring(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  if (bytes.includes(0)) throw systemError('path', 22);
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/**
 * mount(2).
 * @param data options of the file system, comma-separated
 * @throws a system error (EPERM without CAP_SYS_ADMIN, ENOENT, ENODEV for an unknown type, EINVAL for a bad option)
 */
export function mount(source: string, target: string | Buffer, type: string, flags: number, data: string): void {
  const c = libc();
  const result = c.mount(cstring(source), cstring(target), cstring(type), flags, cstring(data));
  // errno belongs to the thread and is overwritten by the next call of anybody: read it first.
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('mount', number, target.toString());
}

/**
 * umount2(2).
 * @param flags 0, MNT_FORCE and MNT_DETACH combined
 * @throws a system error: EBUSY while somebody uses the mount, EINVAL where nothing is mounted
 */
export function umount2(target: string | Buffer, flags = 0): void {
  const c = libc();
  const result = c.umount2(cstring(target), flags);
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('umount2', number, target.toString());
}

/**
 * ioctl(2) whose argument is a pointer to the given bytes (read, and changed, by the kernel).
 * @returns the non-negative result of the call
 */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  const c = libc();
  const result = c.ioctl(fd, request, argument);
  const number = result >= 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('ioctl', number);
  return result;
}

/**
 * flock(2) on an open file description, repeated when a signal interrupts it.
 * @throws a system error: EWOULDBLOCK (Node names it EAGAIN) with LOCK_NB while another description holds the lock
 */
export function flock(fd: number, operation: number): void {
  const c = libc();
  for (;;) {
    const result = c.flock(fd, operation);
    const number = result === 0 ? 0 : c.errno();
    if (number === 0) return;
    if (number !== EINTR) throw systemError('flock', number);
  }
}

/**
 * renameat2(2) with RENAME_EXCHANGE: two names lead to each other's files, in one step.
 * @throws a system error; ENOSYS where the C library has no such function (musl before 1.2.6)
 */
export function exchangeNames(one: string, other: string): void {
  const AT_FDCWD = -100;
  const RENAME_EXCHANGE = 2;
  const c = libc();
  let call: Call;
  try {
    call = bindCall('int renameat2(int from, const void *one, int to, const void *other, unsigned int flags)');
  } catch {
    throw systemError('renameat2', 38, other);
  }
  const result = call(AT_FDCWD, cstring(one), AT_FDCWD, cstring(other), RENAME_EXCHANGE);
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('renameat2', number, other);
}

/**
 * utimensat(2) of a path, itself if it is a link: times as [seconds, nanoseconds], which node:fs can only give as one float.
 * @throws a system error
 */
export function utimensat(path: Buffer, atime: readonly [number, number], mtime: readonly [number, number]): void {
  const AT_FDCWD = -100;
  const AT_SYMLINK_NOFOLLOW = 0x100;
  const times = new BigInt64Array([...atime, ...mtime].map(BigInt));
  const c = libc();
  const result = c.utimensat(AT_FDCWD, cstring(path), times, AT_SYMLINK_NOFOLLOW);
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('utimensat', number, path.toString());
}

/** syncfs(2): writes back everything of the file system that `fd` lies on. */
export function syncfs(fd: number): void {
  const c = libc();
  const result = c.syncfs(fd);
  const number = result === 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('syncfs', number);
}

/**
 * fallocate(2), repeated when a signal interrupts it.
 * @param offset bytes, below 2^53
 * @param length bytes, above 0
 * @throws a system error: ENOSPC, EFBIG, ENOTSUP (EOPNOTSUPP) where the file system has no such mode, seccomp refuses the call, or a
 *   thread could not load koffi because the program on disk has been replaced under its mount
 */
export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  let c: Libc;
  try {
    c = libc();
  } catch {
    throw systemError('fallocate', constants.errno.EOPNOTSUPP);
  }
  for (;;) {
    const result = c.fallocate(fd, mode, offset, length);
    const number = result === 0 ? 0 : c.errno();
    if (number === 0) return;
    if (number === EINTR) continue;
    const { EPERM, ENOSYS, EOPNOTSUPP } = constants.errno;
    throw systemError('fallocate', number === EPERM || number === ENOSYS ? EOPNOTSUPP : number);
  }
}

/** dup2(2): makes descriptor `to` another name of `from`'s open file; children inherit `to`. */
export function dup2(from: number, to: number): void {
  const c = libc();
  const result = c.dup2(from, to);
  const number = result >= 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('dup2', number);
}

/** dup3(2) with O_CLOEXEC: from now on, atomically, descriptor `to` means what `from` means. Both stay open. */
export function replaceDescriptor(to: number, from: number): void {
  const c = libc();
  const result = c.dup3(from, to, O_CLOEXEC);
  const number = result >= 0 ? 0 : c.errno();
  if (number !== 0) throw systemError('dup3', number);
}

/** dlopen(3) of a shared library that stays; throws what the dynamic linker says. */
export function keepLibraryLoaded(path: string): void {
  libc().ffi.load(path);
}

const EINTR = 4;
