// `mount --wal-dir DIR`: the directory on another file system that holds a diff's pg_wal, and who may use it.
//
//   DIR/pbkfs-wal.json   which diff it belongs to: an id that the diff's binding has too
//   DIR/pbkfs-wal.lock   held by the mount process, as the lock of a diff
//   DIR/pg_wal           what the link pg_wal of the mount leads to; pg_wal.part while it is being copied

import { randomUUID } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync, rmdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import { replaceFile, syncDirectory } from '../../sys/durable-file.js';
import { readIfThere } from '../../sys/read-if-there.js';
import { acquireLock, type DiffLock } from '../diff/lock.js';
import type { FileOwner } from '../file-owner.js';

/** What a diff's binding says of the directory its WAL lies in. */
export interface WalBinding {
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly id: string;
  /** The WAL has moved there: nothing may start without it. */
  readonly ready: boolean;
}

interface Marker {
  readonly format: 'pbkfs wal directory';
  readonly id: string;
  /** Path of the diff it was made for: for people. */
  readonly diff: string;
}

const MARKER = 'pbkfs-wal.json';
const LOCK = 'pbkfs-wal.lock';
const OURS = ['pg_wal', 'pg_wal.part', MARKER, `${MARKER}.tmp`, LOCK];

/** Where the files of WAL lie. */
export function walFiles({ path }: Pick<WalBinding, 'path'>): string {
  return join(path, 'pg_wal');
}

/**
 * What the binding of a diff is to say, after a look that changes nothing.
 * @param path absolute and resolved; where it is missing, the directory of the mount before
 * @throws PbkfsError wal_directory when that cannot be used: missing, of another diff, not empty
 */
export function chooseWalDirectory(
  path: string | undefined,
  before: WalBinding | undefined,
  diff: string,
): WalBinding | undefined {
  const chosen = path ?? before?.path;
  if (chosen === undefined) return undefined;
  const binding = { path: chosen, id: before?.id ?? randomUUID(), ready: before?.ready ?? false };
  checkWalDirectory(binding, diff);
  return binding;
}

/** @throws PbkfsError wal_directory unless it holds the WAL of this diff, or may come to hold it */
export function checkWalDirectory({ path, id, ready }: WalBinding, diff: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory()) {
    if (ready) throw refused(`${path}, where the WAL of the diff ${diff} lies, is missing`, BRING_BACK);
    if (stats !== undefined) throw refused(`${path} is not a directory`, 'give a new or empty directory');
    if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true)
      throw refused(`cannot make ${path}: ${dirname(path)} is not a directory`, 'make that one first');
    return;
  }
  const marker = readMarker(path);
  if (marker?.id === id) {
    if (!ready || statSync(walFiles({ path }), { throwIfNoEntry: false })?.isDirectory()) return;
    throw refused(`${walFiles({ path })}, the WAL of the diff ${diff}, is missing`, 'restore it from a copy');
  }
  if (marker !== undefined) {
    throw refused(`${path} holds the WAL of another diff, ${marker.diff}`, 'each diff needs a directory of its own');
  }
  if (ready) throw refused(`${path} does not hold the WAL of the diff ${diff}`, BRING_BACK);
  const names = readdirSync(path).filter((name) => name !== 'lost+found');
  if (names.length > 0) throw refused(`${path} is not empty`, 'give a new or empty directory');
}

/** Whether the directory is marked as the one of this binding. */
export function isOwnWalDirectory({ path, id }: WalBinding): boolean {
  try {
    return readMarker(path)?.id === id;
  } catch {
    return false;
  }
}

const BRING_BACK = 'is its file system mounted? If the directory has moved, give its new place with --wal-dir';

/** A directory that belongs to one diff and is locked for this process. */
export class WalDirectory {
  readonly #path: string;
  readonly #lock: DiffLock;
  readonly #created: boolean;
  /** It was not this diff's before. */
  readonly #isNew: boolean;

  private constructor(path: string, lock: DiffLock, created: boolean, isNew: boolean) {
    this.#path = path;
    this.#lock = lock;
    this.#created = created;
    this.#isNew = isNew;
  }

  /**
   * Makes the directory this diff's, durably, and locks it. The diff's binding names it already.
   * @param owner whom the server runs as; undefined: only look, make nothing
   * @throws PbkfsError wal_directory, diff_busy
   */
  static claim(binding: WalBinding, diff: string, mountpoint: string, owner?: FileOwner): WalDirectory {
    checkWalDirectory(binding, diff);
    const { path, id } = binding;
    const created = owner !== undefined && statSync(path, { throwIfNoEntry: false }) === undefined;
    if (created) {
      mkdirSync(path, { mode: 0o700 });
      if (process.geteuid?.() === 0) chownSync(path, owner.uid, owner.gid);
      syncDirectory(dirname(path));
    }
    const marked = owner === undefined || readMarker(path) !== undefined;
    if (!marked) {
      if (!mayEnter(statSync(path), owner)) {
        throw refused(`the user ${owner.uid}, who owns the mounted files, may not enter ${path}`, `chown or chmod it`);
      }
      const marker: Marker = { format: 'pbkfs wal directory', id, diff };
      replaceFile(join(path, MARKER), `${JSON.stringify(marker)}\n`);
    }
    const lock = acquireLock(join(path, LOCK), `the WAL directory ${path}`, mountpoint);
    return new WalDirectory(path, lock, created, !marked);
  }

  /** Lets others have it; the lock goes with the process, too. */
  release(): void {
    this.#lock.release();
  }

  /**
   * Undoes the claim of a mount that never came up. What an earlier mount has marked stays: its WAL may have moved here,
   * although that mount was killed before the binding said so.
   */
  giveUp(): void {
    this.release();
    if (this.#isNew) removeOurs(this.#path, this.#created);
  }

  /** Removes the WAL and what pbkfs made around it. */
  wipe(): void {
    this.release();
    removeOurs(this.#path, true);
  }
}

/** @param directoryToo if nothing else is in it */
function removeOurs(path: string, directoryToo: boolean): void {
  for (const name of OURS) rmSync(join(path, name), { recursive: true, force: true });
  syncDirectory(path);
  if (!directoryToo || readdirSync(path).length > 0) return;
  try {
    rmdirSync(path);
  } catch {
    // A file system of its own, or in a directory that is not ours to change.
  }
}

function readMarker(path: string): Marker | undefined {
  let bytes: Buffer | undefined;
  try {
    bytes = readIfThere(join(path, MARKER));
  } catch (error) {
    throw refused(
      `cannot read ${join(path, MARKER)}: ${(error as Error).message}`,
      'check the storage of that directory',
    );
  }
  if (bytes === undefined) return undefined;
  try {
    const marker = JSON.parse(bytes.toString('utf8')) as Partial<Marker>;
    if (marker.format === 'pbkfs wal directory' && typeof marker.id === 'string') return marker as Marker;
  } catch {
    // As foreign as another format.
  }
  throw refused(`${join(path, MARKER)} is damaged`, 'restore that file from a copy');
}

function mayEnter({ mode, uid, gid }: Stats, owner: FileOwner): boolean {
  if (owner.uid === 0) return true;
  const bits = owner.uid === uid ? mode >> 6 : owner.gid === gid ? mode >> 3 : mode;
  return (bits & 1) !== 0;
}

function refused(message: string, hint: string): PbkfsError {
  return new PbkfsError('wal_directory', message, { hint });
}
