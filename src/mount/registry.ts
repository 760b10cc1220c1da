// The mounts of this host, one small file each: how the commands find the process and the diff behind a mount point.

import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, linkSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { byteString } from '../backup/byte-path.js';
import type { BackendInfo } from '../fs/serve-types.js';
import { replaceFileUnsynced } from '../sys/durable-file.js';
import { homeDirectory } from '../sys/home-directory.js';
import { makeDirectories } from '../sys/make-directories.js';
import { isOurs, mountAt, readMounts } from '../sys/mountinfo.js';
import { isPrivateDirectory } from '../sys/private-files.js';
import { isAlive, type ProcessIdentity, sameProcess } from '../sys/process-identity.js';
import { readJson } from '../sys/read-json.js';

export interface RegistryEntry extends ProcessIdentity {
  /** Absolute paths without symbolic links. */
  readonly mountpoint: string;
  /** Missing for a read-only mount. */
  readonly diff?: string;
  readonly catalog: string;
  readonly instance: string;
  readonly backupId: string;
  /** Missing when the mount logs to a terminal. */
  readonly logFile?: string;
  /** Ids of the chain, FULL first. */
  readonly chain?: readonly string[];
  /** `major:minor` of the mount. */
  readonly device?: string;
  /** When it became usable, in ms since 1970. */
  readonly mountedAt?: number;
  readonly server?: BackendInfo;
  /** Where its metrics are served: `http://HOST:PORT` or `unix:PATH`. */
  readonly metricsAddress?: string;
}

/**
 * Where this user's entries may lie, the preferred place first. A reader looks in all of them, because its environment may
 * differ from the mount's: cron must find a mount that was made in a session. `/run` is gone after a reboot, and so are
 * the mounts; entries elsewhere name the boot they belong to.
 */
function registryDirectories(): readonly string[] {
  const uid = process.getuid?.() ?? 0;
  const { XDG_STATE_HOME: state, XDG_RUNTIME_DIR: runtime } = process.env;
  const places: string[] = [];
  if (state !== undefined && isAbsolute(state)) places.push(join(state, 'pbkfs'));
  const home = uid === 0 ? undefined : homeDirectory();
  if (uid === 0) places.push('/run/pbkfs');
  else if (home !== undefined) places.push(join(home, '.local/state/pbkfs'));
  if (runtime !== undefined && isAbsolute(runtime)) places.push(join(runtime, 'pbkfs'));
  places.push(`/tmp/pbkfs-${uid}`);
  return places;
}

/** Writes the entry of a mount (mode 0600) where it can. @throws a system error where no directory can be written */
export function register(entry: RegistryEntry, directories = registryDirectories()): void {
  keep(entry.mountpoint, 'json', entry, directories);
}

/**
 * Remembers something about a mount where it can, in a file (mode 0600) beside its entry.
 * @throws a system error where no directory can be written
 */
export function keep(mountpoint: string, suffix: string, value: object, directories = registryDirectories()): void {
  let failure: unknown;
  for (const directory of directories) {
    try {
      makeDirectories(directory, 0o700);
      if (!isPrivateDirectory(directory)) throw new Error(`${directory} belongs to somebody else`);
      // A power loss ends the mount too.
      replaceFileUnsynced(fileOf(directory, mountpoint, suffix), `${JSON.stringify(value)}\n`);
      return;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** Removes the entry of a mount point, unless another process has registered a newer mount there. */
export function unregister(mountpoint: string, owner: ProcessIdentity, directories = registryDirectories()): void {
  for (const directory of directories.filter(isPrivateDirectory)) {
    const file = fileOf(directory, mountpoint);
    const entry = readEntry(file);
    if (entry === undefined || sameProcess(entry, owner)) remove(file, entry);
  }
}

/** The entry of a mount point, whether its process still lives or not; one whose process lives comes first. */
export function findRegistered(mountpoint: string, directories = registryDirectories()): RegistryEntry | undefined {
  const found = directories
    .filter(isPrivateDirectory)
    .map((directory) => readEntry(fileOf(directory, mountpoint)))
    .filter((entry) => entry !== undefined);
  return found.find(isAlive) ?? found[0];
}

/**
 * All entries of this user. Those that nothing stands behind any more are removed on the way: the process has gone, and
 * no dead endpoint of it is left that `unmount` would have to take away.
 */
export function listRegistered(directories = registryDirectories()): RegistryEntry[] {
  const entries = new Map<string, RegistryEntry>();
  const mounts = readMounts();
  for (const directory of directories.filter(isPrivateDirectory)) {
    for (const name of readdirSync(directory).filter((file) => file.endsWith('.json'))) {
      const file = join(directory, name);
      const entry = readEntry(file);
      // A name of another form is not an entry; a mount that registers just now replaces its file in one step.
      if (entry === undefined || file !== fileOf(directory, entry.mountpoint)) continue;
      const mounted = mountAt(mounts, byteString(entry.mountpoint));
      if (!isAlive(entry) && (mounted === undefined || !isOurs(mounted))) remove(file, entry);
      else if (!entries.has(entry.mountpoint) || isAlive(entry)) entries.set(entry.mountpoint, entry);
    }
  }
  return [...entries.values()];
}

/** Suffix of the file that remembers where the counters of a mount stood when they were reset. */
export const BASELINE = 'baseline';

/**
 * An entry with what was remembered about its mount.
 * @param read what it said; a mount that has registered since keeps its own
 */
function remove(file: string, read: RegistryEntry | undefined): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    // It is gone already, or cannot be removed.
    return;
  }
  const found = readEntry(aside);
  const isAnother = found !== undefined && (read === undefined || !sameProcess(found, read));
  if (isAnother) putBack(aside, file);
  else rmSync(file.replace(/json$/, BASELINE), { force: true });
  rmSync(aside, { force: true });
}

/** Unless a newer one is there by now. */
function putBack(aside: string, file: string): void {
  try {
    linkSync(aside, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A file next to a mount's entry, for what another command remembers about it; undefined where nothing can be kept. */
export function companionFile(mountpoint: string, suffix: string): string | undefined {
  const directory = writableDirectory();
  return directory && fileOf(directory, mountpoint, suffix);
}

/** Those that are there, wherever: the environment may have been another one when they were written. */
export function companionFiles(
  mountpoint: string,
  suffix: string,
  directories: readonly string[] = registryDirectories(),
): string[] {
  return directories
    .filter(isPrivateDirectory)
    .map((directory) => fileOf(directory, mountpoint, suffix))
    .filter((file) => existsSync(file));
}

/** Where this user's records can be written, made if it is missing; undefined where nothing can be kept. */
export function writableDirectory(): string | undefined {
  for (const directory of registryDirectories()) {
    try {
      makeDirectories(directory, 0o700);
      accessSync(directory, constants.W_OK);
      if (isPrivateDirectory(directory)) return directory;
    } catch {
      // The next place, then.
    }
  }
  return undefined;
}

/** Where they may lie, and nobody else can have put them. */
export function privateDirectories(): string[] {
  return registryDirectories().filter(isPrivateDirectory);
}

/** A mount point holds any bytes and any length: its hash is the file's name. */
function fileOf(directory: string, mountpoint: string, suffix = 'json'): string {
  return join(directory, `${createHash('sha256').update(mountpoint).digest('hex').slice(0, 32)}.${suffix}`);
}

function readEntry(path: string): RegistryEntry | undefined {
  const entry = readJson<Partial<RegistryEntry>>(path);
  const complete =
    typeof entry?.pid === 'number' &&
    typeof entry.mountpoint === 'string' &&
    (entry.diff === undefined || typeof entry.diff === 'string');
  return complete ? (entry as RegistryEntry) : undefined;
}
