// The process of a mount that is off its directory: waited for until its diff is durable and free, and asked how it went.

import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../../errors.js';
import { isAlive, sameProcess } from '../../sys/process-identity.js';
import { shellWord } from '../../sys/shell-word.js';
import { readBinding } from '../diff/binding.js';
import { isDiffLocked } from '../diff/lock.js';
import type { Owner } from '../mounted.js';
import { letGoOn, stoppedProcess } from '../stopped-process.js';
import { describeElsewhere, findCopies, type Gone } from './other-namespaces.js';
import { POLL_MS, STOP_TIMEOUT_MS, type UnmountOptions, type Wait } from './unmount-options.js';

/**
 * @throws PbkfsError mount_busy when it does not come to its end in time, with what it goes on for; mount_failed when its
 * last sync failed, or its diff is gone
 */
export async function processEnd(owner: Owner, gone: Gone, options: UnmountOptions): Promise<void> {
  await ended(owner, gone, options);
  checkCleanEnd(owner);
}

/** The lock may outlive the process by moments: its last thread closes the files. */
async function ended(owner: Owner, gone: Gone, options: UnmountOptions): Promise<void> {
  const { onWait, patience = 3000, stopTimeout = STOP_TIMEOUT_MS } = options;
  const begun = performance.now();
  let noticed = false;
  while (isAlive(owner) || (owner.diff !== undefined && isDiffLocked(owner.diff) && !hasNewOwner(owner))) {
    await sleep(POLL_MS);
    const waited = performance.now() - begun;
    if (waited > stopTimeout) throw notEnded(owner, stopTimeout, gone);
    if (!noticed && waited > patience) {
      noticed = true;
      onWait?.(whatLasts(owner, gone));
    }
  }
}

function whatLasts({ pid }: Owner, gone: Gone): Wait {
  const copies = findCopies(gone);
  if (copies.length > 0) return { for: 'copies', pid, holders: copies.join(', ') };
  const holders = describeElsewhere(gone);
  return holders === undefined ? { for: 'process', pid } : { for: 'namespaces', pid, holders };
}

function notEnded(owner: Owner, stopTimeout: number, gone: Gone): PbkfsError {
  const [copy, ...copies] = findCopies(gone);
  if (copy !== undefined) {
    return new PbkfsError(
      'mount_busy',
      `${owner.mountpoint} is unmounted, but bind mounts of it are left, for which process ${owner.pid} goes on: ${[copy, ...copies].join(', ')}`,
      { hint: `pbkfs unmount -D ${shellWord(copy)}` },
    );
  }
  const elsewhere = describeElsewhere(gone);
  const seconds = Math.round(stopTimeout / 1000);
  if (elsewhere !== undefined) {
    return new PbkfsError(
      'mount_busy',
      `${owner.mountpoint} is unmounted here, but not in other mount namespaces, for which process ${owner.pid} goes on; it is mounted for ${elsewhere}`,
      {
        hint: `end these processes (containers), or unmount it there: nsenter --mount=/proc/PID/ns/mnt umount ${shellWord(owner.mountpoint)}`,
      },
    );
  }
  const stopped = stoppedProcess(owner);
  const wait = `it makes the diff durable; "pbkfs unmount -d ${shellWord(owner.diff ?? 'DIFF')}" waits for it`;
  return new PbkfsError(
    'mount_busy',
    `${owner.mountpoint} is unmounted, but process ${owner.pid} has not come to its end within ${seconds} s`,
    {
      hint:
        stopped === undefined
          ? `${wait}. Should it hang, kill -9 ${owner.pid} is safe: the next mount recovers the diff`
          : letGoOn(stopped),
    },
  );
}

function checkCleanEnd(owner: Owner): void {
  if (owner.diff === undefined || hasNewOwner(owner)) return;
  const last = readBinding(owner.diff)?.lastMount;
  if (last === undefined) throw diffGone(owner.mountpoint, owner.diff);
  if (last.state === 'clean') return;
  const where = owner.logFile === undefined ? '' : `; see ${owner.logFile}`;
  const what =
    last.state === 'failed'
      ? `failed: ${last.error ?? 'no reason recorded'}`
      : `process ${owner.pid} ended without finishing its work`;
  throw new PbkfsError('mount_failed', `${owner.mountpoint} is unmounted, but the mount ${what}${where}`, {
    hint: `the writes it had accepted are in ${owner.diff}; mount it again to sync them before the host loses power. Where a sync has failed, some may be lost all the same: check the storage`,
  });
}

function diffGone(mountpoint: string, diff: string): PbkfsError {
  return new PbkfsError('mount_failed', `${mountpoint} is unmounted, but its diff ${diff} is not there any more`, {
    hint: 'it was moved or removed while it was mounted: mount it where it is now, or what was written is lost',
  });
}

/** Somebody has mounted the diff again in the meantime: then that process answers for it. */
function hasNewOwner(owner: Owner): boolean {
  if (owner.diff === undefined) return false;
  try {
    const last = readBinding(owner.diff)?.lastMount;
    return last !== undefined && !sameProcess(last, owner);
  } catch {
    return false;
  }
}
