// Taking a mount off its directory: once nobody uses it any more, or under those who do.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../../errors.js';
import { type UnmountHow, unmountDevice } from '../../sys/fuse-mount.js';
import { isMountPoint, type MountEntry, mountOn } from '../../sys/mountinfo.js';
import { describeHolders } from '../holders.js';
import { ownerOf } from '../mounted.js';
import { findServers } from '../orphaned-server.js';
import { letGoOn, stoppedProcess } from '../stopped-process.js';
import { POLL_MS, STOP_TIMEOUT_MS, type UnmountOptions } from './unmount-options.js';

/** @throws PbkfsError mount_busy naming the users, when they have not left in time; mount_failed */
export async function takeOffWhenFree(mountpoint: string, options: UnmountOptions): Promise<void> {
  const { stopTimeout = STOP_TIMEOUT_MS, onWait } = options;
  const deadline = performance.now() + stopTimeout;
  for (let announced = false; !takeOff(mountpoint, 'polite'); await sleep(POLL_MS * 5)) {
    const mount = mountOn(mountpoint);
    if (performance.now() >= deadline) throw busy(mountpoint, mount);
    if (announced || mount === undefined) continue;
    announced = true;
    onWait?.({ for: 'users', mountpoint, holders: holdersOf(mountpoint, mount), ms: stopTimeout });
  }
}

/** Whoever still uses the mount gets errors; a server must not lose its directory that way, and what lies below it get its writes. */
export function endConnection(mountpoint: string, mount: MountEntry): void {
  const servers = findServers(mount);
  if (servers.length > 0) {
    const list = servers.map(({ pid }) => `process ${pid}`).join(', ');
    throw new PbkfsError('mount_busy', `a PostgreSQL server runs on ${mountpoint}, it stays mounted: ${list}`, {
      hint: 'add --stop-server, or stop it with "pg_ctl stop"',
    });
  }
  if (!takeOff(mountpoint, 'abort')) takeOff(mountpoint, 'detach');
}

/** @returns false when somebody uses the mount */
export function takeOff(mountpoint: string, how: UnmountHow): boolean {
  try {
    unmountDevice(mountpoint, how);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Somebody else has just unmounted it; what is left is to wait.
    if (!isMountPoint(mountpoint)) return true;
    if (error instanceof PbkfsError) throw error;
    if (code === 'EBUSY') return false;
    const hint = code === 'EPERM' ? { hint: 'only root or whoever mounted it may unmount it' } : {};
    throw new PbkfsError('mount_failed', `cannot unmount ${mountpoint}: ${code}`, { ...hint, cause: error });
  }
}

function busy(mountpoint: string, mount: MountEntry | undefined): PbkfsError {
  const holders = mount === undefined ? 'somebody' : holdersOf(mountpoint, mount);
  const stopped = stoppedProcess(ownerOf(mountpoint));
  return new PbkfsError('mount_busy', `${mountpoint} is in use, it stays mounted; held by ${holders}`, {
    hint:
      stopped === undefined
        ? 'stop these processes (a server by --stop-server or "pg_ctl stop"), leave the directory, and try again'
        : letGoOn(stopped),
  });
}

function holdersOf(mountpoint: string, mount: MountEntry): string {
  const stopped = stoppedProcess(ownerOf(mountpoint));
  return stopped === undefined
    ? describeHolders(mount)
    : `whoever waits for an answer of its process ${stopped}, which is stopped`;
}
