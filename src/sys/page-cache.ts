// The kernel's page cache from outside: ask for parts of a file, and whether they have come, without waiting for either;
// and have what was written go to the disk.

import { bindCall } from './libc.js';

const POSIX_FADV_WILLNEED = 3;
const SYNC_FILE_RANGE_WRITE = 2;
const PROT_READ = 1;
const MAP_SHARED = 1;

const calls = {
  advise: undefined as Advise | undefined,
  maps: undefined as Maps | undefined,
  range: undefined as Range | undefined,
};
type Advise = (...args: readonly unknown[]) => number;

interface Range {
  /** The call in a thread of Node's pool. */
  readonly async: (...args: readonly unknown[]) => void;
}

interface Maps {
  readonly mmap: (...args: readonly unknown[]) => bigint;
  readonly munmap: (...args: readonly unknown[]) => number;
  readonly mincore: (...args: readonly unknown[]) => number;
  /** of the kernel's pages, in bytes: 4 KiB, on arm64 16 or 64 KiB where it was built so */
  readonly page: number;
}

/**
 * posix_fadvise(2) with POSIX_FADV_WILLNEED: the kernel begins to read and goes on when `fd` is closed, without keeping the
 * file open meanwhile. It takes no more than its read-ahead at a time, 128 KiB as a rule.
 */
export function willNeed(fd: number, offset: number, length: number): void {
  calls.advise ??= bindCall('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
  calls.advise(fd, offset, length, POSIX_FADV_WILLNEED);
}

/**
 * sync_file_range(2) with SYNC_FILE_RANGE_WRITE on the whole file: what is dirty begins to go to the disk. It says nothing
 * about what is durable, and what fails on the way is still reported to the next fsync.
 * @param done called when it has begun, or cannot
 */
export function startWriteback(fd: number, done: () => void): void {
  const prototype = 'int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)';
  calls.range ??= bindCall(prototype) as unknown as Range;
  calls.range.async(fd, 0, 0, SYNC_FILE_RANGE_WRITE, done);
}

/**
 * Whether the page of a file that holds `offset` is in the page cache, by mincore(2). To somebody who neither owns the file nor
 * may write to it the kernel always says yes.
 * @param offset below the file's length
 */
export function isCached(fd: number, offset: number): boolean {
  calls.maps ??= {
    // Addresses as numbers: nobody reads what is behind them.
    mmap: bindCall<bigint>(
      'intptr_t mmap(intptr_t at, size_t length, int protection, int flags, int fd, int64_t offset)',
    ),
    munmap: bindCall('int munmap(intptr_t at, size_t length)'),
    mincore: bindCall('int mincore(intptr_t at, size_t length, uint8_t *pages)'),
    page: bindCall('int getpagesize(void)')(),
  };
  const { mmap, munmap, mincore, page } = calls.maps;
  const at = mmap(0, page, PROT_READ, MAP_SHARED, fd, offset - (offset % page));
  if (Number(at) === -1) return true;
  const pages = new Uint8Array(1);
  const failed = mincore(at, page, pages) !== 0;
  munmap(at, page);
  return failed || (pages[0]! & 1) === 1;
}
