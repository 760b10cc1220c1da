// Numbers of the FUSE kernel protocol, from linux/fuse.h (protocol 7.31 and later).

export const opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
} as const;

export const IN_HEADER = 40;
export const OUT_HEADER = 16;

/** Byte sizes of reply structures. */
export const size = { entry: 128, attr: 88, attrOut: 104, open: 16, write: 8, statfs: 80, init: 64 } as const;

/** INIT flags (word `flags`). */
export const initFlag = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  INIT_EXT: 1 << 30,
} as const;

/** INIT flags of the second word (`flags2`), in force only with INIT_EXT. */
export const initFlag2 = { PASSTHROUGH: 1 << 5 } as const;

/** SETATTR `valid` bits. */
export const setattrValid = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const;

/** Bits of `open_flags`: every read and write comes to the server; the kernel keeps what it has cached of the file; it does both by itself. */
export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_PASSTHROUGH = 1 << 7;

/** WRITE `write_flags`. */
export const WRITE_KILL_SUIDGID = 1 << 2;

/** FALLOCATE modes, linux/falloc.h. */
export const fallocateMode = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const;

/** Largest WRITE the kernel may send, and READ it may ask for, in bytes. */
export const MAX_TRANSFER = 1 << 20;

/** Room for one request: the largest WRITE, its headers, and a page as the kernel demands. */
export const REQUEST_BUFFER = MAX_TRANSFER + 4096 + 4096;

const names = new Map<number, string>(Object.entries(opcode).map(([name, code]) => [code, name]));

/** Name of an operation for messages. */
export function opcodeName(code: number): string {
  return names.get(code) ?? `opcode ${code}`;
}
