// Paths as users give them: made absolute and free of symbolic links, without touching a mount that may be dead.

import { readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';

/**
 * The absolute path of a mount point without symbolic links. Only its parents are looked at: of the last name only
 * readlink(2) is asked, which never reaches a FUSE server, so a hung or dead mount can be named too.
 * @throws a system error when a parent does not exist
 */
export function resolveMountpoint(path: string): string {
  let current = resolve(path);
  for (let links = 0; links < 40; links++) {
    if (current === sep) return current;
    current = join(realpathSync(dirname(current)), basename(current));
    try {
      current = resolve(dirname(current), readlinkSync(current));
    } catch {
      return current;
    }
  }
  return current;
}

/** The absolute path without symbolic links of something that need not exist yet. */
export function resolveFuture(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute === sep ? absolute : join(resolveFuture(dirname(absolute)), basename(absolute));
  }
}

/** Whether `path` is `directory` or lies below it; both absolute and resolved. */
export function isWithin(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory === sep ? sep : directory + sep);
}
