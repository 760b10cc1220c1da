// A mount as other processes find it: by a path, its process, its diff. Reads /proc and small files, never the mount.

import { existsSync } from 'node:fs';
import { byteString, displayPath } from '../backup/byte-path.js';
import { PbkfsError } from '../errors.js';
import { isOurs, type MountEntry, mountAt, mountContaining, readMounts } from '../sys/mountinfo.js';
import { shellWord } from '../sys/shell-word.js';
import { type Binding, readBinding } from './diff/binding.js';
import { isStale } from './is-stale.js';
import { resolveMountpoint } from './paths.js';
import { findRegistered, type RegistryEntry } from './registry.js';
import { findServingProcess, type ServingProcess } from './serving-process.js';

/** The process behind a mount, as the registry or the lock of its diff knows it. */
export type Owner = Omit<ServingProcess, 'diff'> & Partial<RegistryEntry>;

export interface Mounted {
  /** Absolute, without symbolic links. */
  readonly mountpoint: string;
  readonly entry: MountEntry;
  /** Unknown where another user mounted it and we are not root. */
  readonly owner: Owner | undefined;
}

/** The hint where the kernel lets a caller not into a mount. */
export const WHO_MAY_LOOK =
  'only the owner of the mounted files may, and root unless another user mounted it without --allow-other';

const LIST_HINT = '"pbkfs list" shows all mounts';

/**
 * Finds our mount on a directory without touching it.
 * @throws PbkfsError not_mounted
 */
export function findMounted(path: string): Mounted {
  let mountpoint: string;
  try {
    mountpoint = resolveMountpoint(path);
  } catch (error) {
    throw new PbkfsError('not_mounted', `${path} does not exist`, { hint: LIST_HINT, cause: error });
  }
  const mounts = readMounts();
  const entry = mountAt(mounts, byteString(mountpoint));
  if (entry === undefined) {
    const around = mountContaining(mounts, byteString(mountpoint));
    throw new PbkfsError('not_mounted', `nothing is mounted on ${mountpoint}`, {
      hint:
        around !== undefined && isOurs(around)
          ? `it lies in the mount on ${displayPath(around.mountPoint)}`
          : LIST_HINT,
    });
  }
  if (!isOurs(entry)) {
    throw new PbkfsError('not_mounted', `what is mounted on ${mountpoint} is not pbkfs but ${entry.type}`, {
      hint: 'use umount for other file systems',
    });
  }
  return { mountpoint, entry, owner: ownerOf(mountpoint) };
}

/**
 * The same, for commands that are about to use the mount.
 * @throws PbkfsError not_mounted, also for a dead one
 */
export function findServing(path: string): Mounted {
  const mounted = findMounted(path);
  if (isStale(mounted.mountpoint)) {
    throw new PbkfsError('not_mounted', `the mount on ${mounted.mountpoint} is dead: its process has gone`, {
      hint: `pbkfs unmount -D ${shellWord(mounted.mountpoint)} takes it away; mount the diff again to go on`,
    });
  }
  return mounted;
}

/** Whoever serves, or served, the mount point. */
export function ownerOf(mountpoint: string): Owner | undefined {
  return findRegistered(mountpoint) ?? findServingProcess(mountpoint);
}

/** What a diff says about itself; undefined where it cannot be read. */
export function bindingOf(diff: string | undefined): Binding | undefined {
  try {
    return diff === undefined || !existsSync(diff) ? undefined : readBinding(diff);
  } catch {
    return undefined;
  }
}
