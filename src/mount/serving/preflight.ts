// Everything about a mount's directories that can be wrong, found before anything is changed.

import { readdirSync, statSync } from 'node:fs';
import { counted } from '../../counted.js';
import { PbkfsError } from '../../errors.js';
import { given } from '../../given.js';
import { isOurs, mountOn } from '../../sys/mountinfo.js';
import { shellWord } from '../../sys/shell-word.js';
import { cureStale } from '../cure-stale.js';
import { isWithin, resolveFuture, resolveMountpoint } from '../paths.js';

export interface GivenPaths {
  readonly mountpoint: string;
  readonly catalog: string;
  /** Missing: a read-only mount. */
  readonly diff?: string;
  /** Missing: log to the terminal. */
  readonly logFile?: string;
  readonly pidFile?: string;
  /** Where metrics are served. */
  readonly metricsSocket?: string;
  readonly walDir?: string;
}

/** Absolute paths without symbolic links, and who owns the mount point. */
export interface CheckedPaths extends GivenPaths {
  readonly owner: { readonly uid: number; readonly gid: number };
}

/**
 * Checks the directories of a mount. A dead mount of pbkfs on the mount point is taken away; nothing else is changed.
 * @throws PbkfsError mountpoint_unusable
 */
export function checkPaths(paths: GivenPaths): CheckedPaths {
  const mountpoint = existingMountpoint(paths.mountpoint);
  const future = (path: string | undefined): string | undefined => (path === undefined ? path : resolveFuture(path));
  const resolved = {
    mountpoint,
    catalog: resolveFuture(paths.catalog),
    ...given({ diff: future(paths.diff), logFile: future(paths.logFile), pidFile: future(paths.pidFile) }),
    ...given({ metricsSocket: future(paths.metricsSocket), walDir: future(paths.walDir) }),
  };
  // Nesting first: it explains a mount point that "is not empty" because the diff lies in it.
  checkNesting(resolved);
  return { ...resolved, owner: checkMountpoint(mountpoint) };
}

function existingMountpoint(path: string): string {
  try {
    return resolveMountpoint(path);
  } catch (error) {
    throw unusableMountpoint(`the mount point ${path} does not exist`, 'create an empty directory for it', error);
  }
}

function checkMountpoint(mountpoint: string): { uid: number; gid: number } {
  cureStale(mountpoint);
  refuseMounted(mountpoint);
  let names: string[];
  let owner: { uid: number; gid: number };
  try {
    const stats = statSync(mountpoint);
    if (!stats.isDirectory()) {
      throw unusableMountpoint(`the mount point ${mountpoint} is not a directory`, 'give an empty directory');
    }
    owner = { uid: stats.uid, gid: stats.gid };
    names = readdirSync(mountpoint);
  } catch (error) {
    if (error instanceof PbkfsError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw unusableMountpoint(`the mount point ${mountpoint} does not exist`, 'create an empty directory for it');
    throw unusableMountpoint(
      `cannot use the mount point ${mountpoint}: ${(error as Error).message}`,
      'give another directory',
      error,
    );
  }
  if (names.length > 0) {
    throw unusableMountpoint(
      `the mount point ${mountpoint} is not empty: it holds ${counted(names.length, 'name')}`,
      'what lies in it would be hidden; give an empty directory',
    );
  }
  return owner;
}

/** @throws PbkfsError mountpoint_unusable when something is mounted there */
export function refuseMounted(mountpoint: string): void {
  const mounted = mountOn(mountpoint);
  if (mounted !== undefined) {
    const what = isOurs(mounted) ? `the pbkfs mount of ${mounted.source}` : `a ${mounted.type} file system`;
    throw unusableMountpoint(
      `${mountpoint} is a mount point already: ${what} is mounted there`,
      isOurs(mounted)
        ? `pbkfs unmount -D ${shellWord(mountpoint)}, or choose another directory`
        : 'choose another directory',
    );
  }
}

/** The mount process would wait for itself if it used its own mount; and nothing may ever appear inside the catalog. */
function checkNesting(paths: Omit<CheckedPaths, 'owner'>): void {
  const { mountpoint, catalog, diff, logFile, pidFile, metricsSocket, walDir } = paths;
  const refuse = (inner: string, outer: string): never => {
    throw unusableMountpoint(
      `${inner} lies within ${outer}`,
      'mount point, diff, catalog and WAL directory must not contain each other, nor log, pid file or metrics socket lie in the mount point or the catalog',
    );
  };
  const mount = `the mount point ${mountpoint}`;
  if (isWithin(mountpoint, catalog)) refuse(`the catalog ${catalog}`, mount);
  if (isWithin(catalog, mountpoint)) refuse(mount, `the catalog ${catalog}`);
  if (diff !== undefined) {
    if (isWithin(mountpoint, diff)) refuse(`the diff ${diff}`, mount);
    if (isWithin(diff, mountpoint)) refuse(mount, `the diff ${diff}`);
    if (isWithin(catalog, diff)) refuse(`the diff ${diff}`, `the catalog ${catalog}`);
    if (isWithin(diff, catalog)) refuse(`the catalog ${catalog}`, `the diff ${diff}`);
  }
  if (walDir !== undefined) {
    for (const [what, path] of [
      [mount, mountpoint],
      [`the catalog ${catalog}`, catalog],
      [`the diff ${diff}`, diff],
    ] as const) {
      if (path === undefined) continue;
      if (isWithin(path, walDir)) refuse(`the WAL directory ${walDir}`, what);
      if (isWithin(walDir, path)) refuse(what, `the WAL directory ${walDir}`);
    }
  }
  for (const [what, path] of [
    ['log file', logFile],
    ['pid file', pidFile],
    ['metrics socket', metricsSocket],
  ] as const) {
    if (path === undefined) continue;
    if (isWithin(mountpoint, path)) refuse(`the ${what} ${path}`, mount);
    if (isWithin(catalog, path)) refuse(`the ${what} ${path}`, `the catalog ${catalog}`);
  }
}

export function unusableMountpoint(message: string, hint: string, cause?: unknown): PbkfsError {
  return new PbkfsError('mountpoint_unusable', message, { hint, ...(cause === undefined ? {} : { cause }) });
}
