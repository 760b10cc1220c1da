// Where a diff is mounted, for whoever names the diff to unmount it.

import { PbkfsError } from '../../errors.js';
import { isOurs, mountOn } from '../../sys/mountinfo.js';
import { isAlive } from '../../sys/process-identity.js';
import { findDiff } from '../diff/diff-directory.js';
import { isDiffLocked, lockOwner } from '../diff/lock.js';
import { ownerOf } from '../mounted.js';
import { resolveFuture } from '../paths.js';

/**
 * Also of one whose mount is dead.
 * @throws PbkfsError not_mounted; diff_foreign for what is no diff
 */
export function mountpointOfDiff(path: string): string {
  const diff = resolveFuture(path);
  const found = findDiff(diff);
  const last = found.kind === 'bound' ? found.binding.lastMount : undefined;
  // The lock is that of the moment; a dead mount has only left what the binding says.
  const mountpoint = isDiffLocked(diff)
    ? (lockOwner(diff)?.mountpoint ?? last?.mountpoint)
    : staleMount(last?.mountpoint);
  if (mountpoint !== undefined) return mountpoint;
  throw new PbkfsError('not_mounted', `the diff ${diff} is not mounted`, {
    hint:
      last !== undefined
        ? `it was last mounted on ${last.mountpoint}`
        : found.kind === 'absent'
          ? 'there is no such directory; "pbkfs list" shows all mounts'
          : 'it never was',
  });
}

/** The mount point if something of ours is left on it that nobody serves. */
function staleMount(mountpoint: string | undefined): string | undefined {
  if (mountpoint === undefined) return undefined;
  const mount = mountOn(mountpoint);
  const owner = ownerOf(mountpoint);
  return mount !== undefined && isOurs(mount) && (owner === undefined || !isAlive(owner)) ? mountpoint : undefined;
}
