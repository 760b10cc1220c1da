// Replacing a small file so that after a crash or power loss either the old or the new content is there.

import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes `path` by way of `path`.tmp: file synced before the rename, directory synced after it.
 * @param mode what it grants to others it does whatever the umask says
 * @throws a system error that names the file; the old content is untouched then
 */
export function replaceFile(path: string, content: string, mode = 0o600): void {
  replace(path, content, mode, fsyncSync);
  syncDirectory(dirname(path));
}

/**
 * The same for what nobody asks for after a power loss: a process that dies leaves the old or the new content, but
 * nothing is synced.
 * @throws a system error; the old content is untouched then
 */
export function replaceFileUnsynced(path: string, content: string): void {
  replace(path, content, 0o600, () => undefined);
}

function replace(path: string, content: string, mode: number, sync: (fd: number) => void): void {
  const temporary = `${path}.tmp`;
  try {
    const fd = openSync(temporary, 'w', mode);
    try {
      if ((mode & 0o077) !== 0) fchmodSync(fd, mode);
      const bytes = Buffer.from(content, 'utf8');
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      sync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw naming(path, error as NodeJS.ErrnoException);
  }
}

/** write(2) and fsync(2), unlike open(2), do not say which file it was. */
function naming(path: string, error: NodeJS.ErrnoException): Error {
  if (error.path === undefined) {
    error.path = path;
    error.message += ` '${path}'`;
  }
  return error;
}

/** Makes names created, renamed or removed in a directory durable. */
export function syncDirectory(path: string | Buffer): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
