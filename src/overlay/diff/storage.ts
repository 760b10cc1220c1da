// The file operations the diff's on-disk format needs, as an interface, so that tests can cut the power between any two.

/** How a file of the diff is opened: to read, to read and write, or to be created (fails with EEXIST). */
export type OpenMode = 'read' | 'write' | 'create';

/**
 * Synchronous file operations of one diff. Every method throws an error with Node's `code` (ENOSPC, EIO, EROFS …).
 * Paths are ordinary strings (the diff's own names are ASCII). Positions and lengths are bytes.
 */
export interface DiffStorage {
  open(path: string, mode: OpenMode): number;
  /** Returns the bytes read; fewer than asked at the end of the file, and of more than 1 GiB. Use {@link preadFully}. */
  pread(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** Returns the bytes written; may be fewer than asked, as pwrite(2). Use {@link pwriteFully}. */
  pwrite(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  ftruncate(fd: number, length: number): void;
  /** Extends the file by zeros from `from` (its present end) to `to`; reserves the space where the file system can. */
  allocate(fd: number, from: number, to: number): void;
  /** Reserves space for `length` bytes from `from` on without changing the file's size, where the file system can. */
  reserve(fd: number, from: number, length: number): void;
  /** Makes [from, to), which lies within the file's size, a hole. False where that cannot be done. */
  punch(fd: number, from: number, to: number): boolean;
  /** Makes the file's data and size durable, not its name. */
  fdatasync(fd: number): void;
  /** Makes the names in a directory durable. */
  fsyncDir(path: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  readdir(path: string): string[];
  size(fd: number): number;
  /** From now on, atomically, `fd` means the file of `next`, also for a thread that is using it; closes `next`. */
  replace(fd: number, next: number): void;
  close(fd: number): void;
}

/** pwrite of the whole range; a short write is continued, which is how the reason of a full disk is learnt. */
export function pwriteFully(
  storage: DiffStorage,
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): void {
  let done = storage.pwrite(fd, buffer, offset, length, position);
  while (done < length) {
    const more = storage.pwrite(fd, buffer, offset + done, length - done, position + done);
    if (more === 0) throw Object.assign(new Error('EIO: write made no progress'), { code: 'EIO' });
    done += more;
  }
}

/** pread of the whole buffer; what lies beyond the end of the file reads as zeros. Returns the bytes really read. */
export function preadFully(storage: DiffStorage, fd: number, buffer: Uint8Array, position: number): number {
  const { length } = buffer;
  let done = 0;
  while (done < length) {
    const more = storage.pread(fd, buffer, done, length - done, position + done);
    if (more === 0) break;
    done += more;
  }
  buffer.fill(0, done);
  return done;
}

/** True when a thrown value is a system error with this code. */
export function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}

/** close for cleaning up after a failure: the first error is the one to be reported. */
export function closeQuietly(storage: DiffStorage, fd: number): void {
  try {
    storage.close(fd);
  } catch {
    // The descriptor is gone all the same.
  }
}

/** unlink for cleaning up after a failure: what cannot be removed stays as an orphan, and the first error is reported. */
export function unlinkQuietly(storage: DiffStorage, path: string): void {
  try {
    storage.unlink(path);
  } catch {
    // An orphan is found by name at the next mount.
  }
}
