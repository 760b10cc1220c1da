// Puts a digest among the others: whole or not at all, and no more of them than there is room for.

import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../../sys/durable-file.js';
import { makeDirectories } from '../../sys/make-directories.js';
import { isPrivateDirectory } from '../../sys/private-files.js';
import type { ChainListsData } from './chain-lists.js';
import { digestBytes, writeDigest } from './digest-format.js';
import type { ChainIdentity } from './list-identity.js';

/** Suffix of a digest's name. */
export const DIGEST = '.lists';
/** What all digests of a user may take. */
const MOST_DIGESTS = 8;
const MOST_BYTES = 4 * 2 ** 30;
/** Age at which a file that was never finished is nobody's any more, in ms. */
const ABANDONED = 60 * 60 * 1000;
const TEMPORARY = '.tmp';

/**
 * @param directory made, with those above it, if it is not there
 * @throws system errors, and Error where digests must not be kept; the directory is as before then
 */
export function writeDigestFile(
  directory: string,
  file: string,
  lists: ChainListsData,
  identity: Pick<ChainIdentity, 'key' | 'seenAt'>,
): void {
  makeDirectories(directory, 0o700);
  if (!isPrivateDirectory(directory)) throw new Error(`${directory} belongs to somebody else`);
  removeAbandoned(directory);
  const bytes = digestBytes(lists);
  const { bavail, bsize } = fs.statfsSync(directory);
  // A cache must not be what fills a disk.
  if (bytes > MOST_BYTES || bytes * 2 > bavail * bsize) throw new Error(`${directory} has no room`);
  const temporary = `${file}.${process.pid}${TEMPORARY}`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    try {
      writeDigest(fd, lists, identity);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  evict(directory, file);
  syncDirectory(dirname(file));
}

interface Kept {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Removes the digests that were used longest ago, as long as there are too many. */
function evict(directory: string, newest: string): void {
  const kept = filesIn(directory, DIGEST).sort(
    (a, b) => Number(b.path === newest) - Number(a.path === newest) || b.mtimeMs - a.mtimeMs,
  );
  let bytes = 0;
  for (const [n, { path, size }] of kept.entries()) {
    bytes += size;
    if (n >= MOST_DIGESTS || bytes > MOST_BYTES) fs.rmSync(path, { force: true });
  }
}

/** What a mount left that ended while it was writing. */
function removeAbandoned(directory: string): void {
  for (const { path, mtimeMs } of filesIn(directory, TEMPORARY)) {
    if (Date.now() - mtimeMs > ABANDONED) fs.rmSync(path, { force: true });
  }
}

function filesIn(directory: string, suffix: string): Kept[] {
  const names = fs.readdirSync(directory).filter((name) => name.endsWith(suffix));
  return names.flatMap((name) => {
    const path = join(directory, name);
    const stats = fs.lstatSync(path, { throwIfNoEntry: false });
    return stats?.isFile() === true ? [{ path, size: stats.size, mtimeMs: stats.mtimeMs }] : [];
  });
}
