// diff/lock: one mount process at a time. The flock decides; the content only says who holds it.

import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { PbkfsError } from '../../errors.js';
import { keepSpare, useSpare } from '../../overlay/diff/spare-room.js';
import { isFull } from '../../overlay/diff/storage-trouble.js';
import { flock, LOCK_EX, LOCK_NB } from '../../sys/libc.js';
import { isMountPoint } from '../../sys/mountinfo.js';
import { pause } from '../../sys/pause.js';
import { isAlive, type ProcessIdentity, selfIdentity } from '../../sys/process-identity.js';
import { readJson } from '../../sys/read-json.js';
import { shellWord } from '../../sys/shell-word.js';

export const LOCK_FILE = 'lock';

export interface LockOwner extends ProcessIdentity {
  readonly mountpoint: string;
}

export interface DiffLock {
  /** Gives the lock up, whatever the disk says; the file stays, since unlinking it would let two processes hold "the" lock. */
  release(): void;
}

/** A process that was just told to die (kill returns before it does) still looks alive, and holds its lock. */
const GRACE_ALIVE_MS = 500;
/** A dead process may hold its lock until its last thread has closed the files, which the kernel does when it finds time. */
const GRACE_DEAD_MS = 5_000;
/** After umount(8) a mount process makes the diff durable before it ends. */
const GRACE_ENDING_MS = 10_000;
const POLL_MS = 20;

/**
 * Takes the lock of an existing diff directory for this process, and the space that is kept in it; `release` gives both
 * back.
 * @throws PbkfsError diff_busy naming the holder and its mount point
 */
export function acquireDiffLock(diff: string, mountpoint: string): DiffLock {
  const fd = openLocked(join(diff, LOCK_FILE), `the diff ${diff}`);
  const hadSpare = useSpare(diff);
  return held(fd, mountpoint, () => {
    if (hadSpare) keepSpare(diff);
  });
}

/** The same for the lock file of something else. @param what it protects, for people */
export function acquireLock(path: string, what: string, mountpoint: string): DiffLock {
  return held(openLocked(path, what), mountpoint, () => undefined);
}

function held(fd: number, mountpoint: string, released: () => void): DiffLock {
  try {
    // Not synced: whoever holds it does not survive a power loss.
    const owner: LockOwner = { ...selfIdentity(), mountpoint };
    ftruncateSync(fd, 0);
    writeSync(fd, `${JSON.stringify(owner)}\n`, 0);
  } catch (error) {
    // On a full disk it is held all the same; nobody can read by whom.
    if (!isFull(error)) {
      released();
      closeSync(fd);
      throw error;
    }
  }
  return {
    release: () => {
      try {
        ftruncateSync(fd, 0);
      } catch {
        // A disk that fails, or has become read-only: the file says who had it, and nobody believes it without the lock.
      }
      released();
      closeSync(fd);
    },
  };
}

/** Whether some process holds the lock of the diff right now. Takes and drops it to find out. */
export function isDiffLocked(diff: string): boolean {
  let fd: number;
  try {
    fd = openSync(join(diff, LOCK_FILE), 'r+');
  } catch {
    return false;
  }
  try {
    return !tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

/** Who says to hold the lock of the diff; only isDiffLocked knows whether that is still so. */
export function lockOwner(diff: string): LockOwner | undefined {
  return readOwner(join(diff, LOCK_FILE));
}

/** Opens and locks the file that bears the name: a failed first mount may have removed it between the two steps. */
function openLocked(path: string, what: string): number {
  for (;;) {
    // Not O_TRUNC: the content belongs to the holder.
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      lockOrExplain(fd, path, what);
      if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

function lockOrExplain(fd: number, path: string, what: string): void {
  const begun = performance.now();
  while (!tryLock(fd)) {
    const owner = readOwner(path);
    const ending = owner !== undefined && isEnding(owner);
    if (performance.now() - begun >= graceOf(owner, ending)) throw busy(what, owner, ending);
    pause(POLL_MS);
  }
}

function graceOf(owner: LockOwner | undefined, ending: boolean): number {
  if (owner !== undefined && !isAlive(owner)) return GRACE_DEAD_MS;
  return ending ? GRACE_ENDING_MS : GRACE_ALIVE_MS;
}

/** Its mount is gone. One that is just about to mount looks the same for a moment; so does one in a container. */
function isEnding({ mountpoint }: LockOwner): boolean {
  return isAbsolute(mountpoint) && !isMountPoint(mountpoint);
}

function busy(what: string, owner: LockOwner | undefined, ending: boolean): PbkfsError {
  if (owner === undefined) {
    return new PbkfsError('diff_busy', `${what} is in use by another process`, {
      hint: 'wait until that process has ended, or give another directory',
    });
  }
  const { pid, mountpoint } = owner;
  return ending
    ? new PbkfsError(
        'diff_busy',
        `${what} is in use by process ${pid}, whose mount on ${mountpoint} is gone from here`,
        {
          hint: `it makes the diff durable, or serves who still has files open: pbkfs unmount -D ${shellWord(mountpoint)} waits for it`,
        },
      )
    : new PbkfsError('diff_busy', `${what} is in use by process ${pid}, mounted on ${mountpoint}`, {
        hint: `pbkfs unmount -D ${shellWord(mountpoint)} ends it; a second mount of the same backup needs a diff of its own`,
      });
}

function tryLock(fd: number): boolean {
  try {
    flock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}

/** What the lock file says; undefined while its holder is still writing it. */
function readOwner(path: string): LockOwner | undefined {
  const owner = readJson<Partial<LockOwner>>(path);
  if (typeof owner?.pid !== 'number' || typeof owner.mountpoint !== 'string') return undefined;
  return owner as LockOwner;
}
