// Mounting and unmounting as whoever we are: root by system call, anybody else through fusermount3.

import { closeSync, readFileSync } from 'node:fs';
import { abortConnection } from './fuse-connection.js';
import { type FuseMountOptions, mountFuse, openFuseDevice } from './fuse-device.js';
import { mountWithHelper, unmountWithHelper } from './fusermount.js';
import { MNT_DETACH, MNT_FORCE, umount2 } from './libc.js';

/** Whether this process may call mount(2). */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Whether this process may let other users into its mount: root always, others if /etc/fuse.conf says so. */
export function mayAllowOther(): boolean {
  if (isRoot()) return true;
  try {
    return /^\s*user_allow_other\s*$/m.test(readFileSync('/etc/fuse.conf', 'latin1'));
  } catch {
    return false;
  }
}

/**
 * Mounts a new FUSE connection and returns its device descriptor.
 * @throws a system error, or PbkfsError mount_failed with what the helper said
 */
export function mountDevice(mountpoint: string, options: FuseMountOptions): number {
  if (!isRoot()) return mountWithHelper(mountpoint, options);
  const device = openFuseDevice();
  try {
    mountFuse(device, mountpoint, options);
    return device;
  } catch (error) {
    closeSync(device);
    throw error;
  }
}

/** How far an unmount goes. */
export type UnmountHow =
  /** refuse while somebody uses the mount */
  | 'polite'
  /** take it out of the tree now; it ends with its last user */
  | 'detach'
  /**
   * end the connection now; where processes keep the mount busy it stays as a dead endpoint. Without root and without
   * the control file system this is only a `detach`: then the connection ends with the process that serves it.
   */
  | 'abort';

/**
 * Unmounts.
 * @throws a system error: EBUSY while somebody uses the mount, EINVAL where nothing is mounted
 */
export function unmountDevice(mountpoint: string, how: UnmountHow): void {
  if (isRoot()) umount2(mountpoint, how === 'abort' ? MNT_FORCE : how === 'detach' ? MNT_DETACH : 0);
  else if (how === 'abort' && abortConnection(mountpoint)) unmountWithHelper(mountpoint, 'polite');
  else unmountWithHelper(mountpoint, how === 'polite' ? 'polite' : 'detach');
}

/**
 * Ends the connection of a mount this process serves, so that blocked readers of the device return. Where processes
 * keep the mount busy it stays as a dead endpoint, which is safer than what lies under it: a database server goes on
 * to get errors and cannot write into the directory below. Never throws.
 */
export function abortMount(mountpoint: string): void {
  try {
    unmountDevice(mountpoint, 'abort');
  } catch {
    // EBUSY: aborted all the same. EINVAL: already gone.
  }
}
