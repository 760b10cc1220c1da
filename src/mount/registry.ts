// The mounts of this host, one small file each: how `unmount` finds the process and the diff behind a mount point.

import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessIdentity } from '../sys/process-identity.js';
import { replaceFile } from './durable-file.js';

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
}

/**
 * Where this user's entries lie: gone after a reboot, and so are the mounts. Users without a session (postgres has none
 * as a rule) have a private directory in /tmp.
 */
export function registryDirectory(): string {
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) return '/run/pbkfs';
  const runtime = process.env.XDG_RUNTIME_DIR;
  return runtime ? join(runtime, 'pbkfs') : `/tmp/pbkfs-${uid}`;
}

/** Writes the entry of a mount (mode 0600). @throws a system error where the directory cannot be written */
export function register(entry: RegistryEntry, directory = registryDirectory()): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isPrivate(directory)) throw new Error(`${directory} belongs to somebody else`);
  replaceFile(fileOf(directory, entry.mountpoint), `${JSON.stringify(entry)}\n`);
}

/** Removes the entry of a mount point, unless another process has registered a newer mount there. */
export function unregister(mountpoint: string, owner: ProcessIdentity, directory = registryDirectory()): void {
  const entry = readEntry(fileOf(directory, mountpoint));
  if (entry === undefined || sameProcess(entry, owner)) rmSync(fileOf(directory, mountpoint), { force: true });
}

/** The entry of a mount point, whether its process still lives or not. */
export function findRegistered(mountpoint: string, directory = registryDirectory()): RegistryEntry | undefined {
  return isPrivate(directory) ? readEntry(fileOf(directory, mountpoint)) : undefined;
}

/** In /tmp anybody may have made a directory of that name before us. */
function isPrivate(directory: string): boolean {
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0;
}

/** Where a mount without a diff logs unless it is told otherwise; made so that it can be written. */
export function registryLogFile(mountpoint: string, directory = registryDirectory()): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isPrivate(directory)) throw new Error(`${directory} belongs to somebody else`);
  return fileOf(directory, mountpoint).replace(/json$/, 'log');
}

/** A mount point holds any bytes and any length: its hash is the file's name. */
function fileOf(directory: string, mountpoint: string): string {
  return join(directory, `${createHash('sha256').update(mountpoint).digest('hex').slice(0, 32)}.json`);
}

function readEntry(path: string): RegistryEntry | undefined {
  try {
    const entry = JSON.parse(readFileSync(path, 'utf8')) as Partial<RegistryEntry>;
    const complete =
      typeof entry.pid === 'number' &&
      typeof entry.mountpoint === 'string' &&
      (entry.diff === undefined || typeof entry.diff === 'string');
    return complete ? (entry as RegistryEntry) : undefined;
  } catch {
    return undefined;
  }
}

function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.bootId === b.bootId;
}
