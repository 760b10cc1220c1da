// pg_probackup's lock files of one backup directory (format page 11): the only files pbkfs ever writes in a catalog.
//
//   backup.pid      exclusive: made with O_EXCL, holds one pid
//   backup_ro.pid   shared: one pid a line; changed only while backup.pid is held, by way of backup_ro.pidtmp + rename
//
// A pid counts while a process of that number exists on this host. pg_probackup sends signal 0 to find out and gives up
// with an error where it may not: a pid written here must belong to a process of the catalog's owner.

import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { displayPath, pathBytes } from '../../backup/byte-path.js';
import { PbkfsError } from '../../errors.js';
import { readIfThere } from '../../sys/read-if-there.js';

const EXCLUSIVE = 'backup.pid';
const SHARED = 'backup_ro.pid';
const SHARED_NEXT = 'backup_ro.pidtmp';

/** An exclusive lock file without a pid is being written; after this long, in ms, its writer is dead. */
const EMPTY_IS_STALE_AFTER = 30_000;
const POLL_MS = 20;

/**
 * Adds this process to the holders of a backup's shared lock.
 * @param directory of the backup, absolute (latin1)
 * @param waitMs how long a live exclusive lock is waited for
 * @throws PbkfsError chain_busy when somebody keeps the exclusive lock; system errors (EROFS, EACCES, ENOSPC, ENOENT)
 */
export async function takeShared(directory: string, waitMs: number): Promise<void> {
  await exclusively(directory, waitMs, () => rewriteShared(directory, (others) => [...others, process.pid]));
}

/** Takes this process off the list of holders, which goes with its last one. @throws as takeShared */
export async function releaseShared(directory: string, waitMs: number): Promise<void> {
  await exclusively(directory, waitMs, () => rewriteShared(directory, (others) => others));
}

async function exclusively(directory: string, waitMs: number, act: () => void): Promise<void> {
  const path = pathBytes(`${directory}/${EXCLUSIVE}`);
  const deadline = performance.now() + waitMs;
  for (;;) {
    if (create(path)) break;
    const owner = ownerOf(path);
    if (owner === 'gone') continue;
    if (performance.now() >= deadline) throw busy(directory, owner);
    await sleep(POLL_MS);
  }
  try {
    act();
  } finally {
    fs.unlinkSync(path);
  }
}

/** @returns false when the file is there already */
function create(path: Buffer): boolean {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    fs.writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    fs.unlinkSync(path);
    throw error;
  } finally {
    fs.closeSync(fd);
  }
  return true;
}

/** Who holds the exclusive lock; a stale one is removed. */
function ownerOf(path: Buffer): number | 'unknown' | 'gone' {
  let text: string;
  let found: fs.Stats;
  try {
    found = fs.statSync(path);
    text = fs.readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
  if (text === '') {
    if (Date.now() - found.mtimeMs < EMPTY_IS_STALE_AFTER) return 'unknown';
  } else {
    const pid = pidOf(text);
    // Our own number in a file that is there before we made one: an earlier process had it.
    if (pid !== undefined && pid !== process.pid && exists(pid)) return pid;
  }
  removeStale(path, found);
  return 'gone';
}

/** Only the very file that was looked at: somebody else may have replaced it by a live one meanwhile. */
function removeStale(path: Buffer, found: fs.Stats): void {
  const now = fs.statSync(path, { throwIfNoEntry: false });
  if (now === undefined || now.ino !== found.ino || now.mtimeMs !== found.mtimeMs) return;
  fs.rmSync(path, { force: true });
}

/** Dead holders are dropped on the way. */
function rewriteShared(directory: string, change: (others: number[]) => number[]): void {
  const path = pathBytes(`${directory}/${SHARED}`);
  const holders = change(readHolders(path).filter((pid) => pid !== process.pid && exists(pid)));
  if (holders.length === 0) {
    fs.rmSync(path, { force: true });
    return;
  }
  const next = pathBytes(`${directory}/${SHARED_NEXT}`);
  try {
    fs.writeFileSync(next, holders.map((pid) => `${pid}\n`).join(''), { mode: 0o600 });
    fs.renameSync(next, path);
  } catch (error) {
    fs.rmSync(next, { force: true });
    throw error;
  }
}

function readHolders(path: Buffer): number[] {
  const text = readIfThere(path)?.toString('latin1') ?? '';
  return text
    .split('\n')
    .map(pidOf)
    .filter((pid) => pid !== undefined);
}

/** As atoi() reads it. */
function pidOf(text: string): number | undefined {
  const digits = /^\s*(\d{1,10})/.exec(text)?.[1];
  const pid = Number(digits);
  return digits !== undefined && pid > 0 && pid < 2 ** 31 ? pid : undefined;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function busy(directory: string, owner: number | 'unknown'): PbkfsError {
  const name = displayPath(directory.slice(directory.lastIndexOf('/') + 1));
  const who =
    owner === 'unknown' ? 'a process that has not said its number yet' : `process ${owner} (${programOf(owner)})`;
  return new PbkfsError('chain_busy', `backup ${name} is locked by ${who}`, {
    hint: `pg_probackup is changing it, most likely: wait until it has ended, then look at "pbkfs show". If that is another program, and pg_probackup works on this catalog from nowhere else (host, container), the lock is a leftover: remove ${displayPath(`${directory}/${EXCLUSIVE}`)}`,
  });
}

function programOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'just ended';
  }
}
