// /dev/fuse as root: opening it, mounting with it, and cloning it for further reader threads.

import { closeSync, constants, openSync } from 'node:fs';
import { ioctl, MS_NODEV, MS_NOSUID, MS_RDONLY, mount } from './libc.js';

/** FUSE_DEV_IOC_CLONE, linux/fuse.h: _IOR(229, 0, uint32_t); the argument is the fd of a mounted device. */
const FUSE_DEV_IOC_CLONE = 0x8004e500;

/** FUSE_DEV_IOC_BACKING_OPEN: _IOW(229, 1, struct fuse_backing_map), {i32 fd, u32 flags, u64 padding}; Linux 6.9 and later. */
const FUSE_DEV_IOC_BACKING_OPEN = 0x4010e501;
/** FUSE_DEV_IOC_BACKING_CLOSE: _IOW(229, 2, uint32_t). */
const FUSE_DEV_IOC_BACKING_CLOSE = 0x4004e502;

const DEVICE = '/dev/fuse';

/** The file-system type the kernel shows for our mounts in /proc/self/mountinfo. */
export const FUSE_TYPE = 'fuse.pbkfs';

export interface FuseMountOptions {
  /** Owner of the mount as the kernel sees it; without `allowOther` only this user may use the mount. */
  readonly uid: number;
  readonly gid: number;
  /** Whether users other than `uid` may use the mount. */
  readonly allowOther: boolean;
  /** First column of df and of /proc/mounts. */
  readonly fsname: string;
  /** Largest READ the kernel may send, in bytes; the kernel's own limit where it is missing. */
  readonly maxRead?: number;
  /** Mount read-only: the kernel refuses every change with EROFS. */
  readonly readOnly?: boolean;
}

/**
 * Opens a fresh connection to the FUSE driver, close-on-exec (as every descriptor Node opens), so that no child
 * keeps the connection alive after the server has died.
 * @throws a system error: ENOENT or ENODEV where the kernel has no FUSE, EACCES without permission
 */
export function openFuseDevice(): number {
  return openSync(DEVICE, constants.O_RDWR);
}

/**
 * Mounts the connection `fd` on a directory. Needs CAP_SYS_ADMIN. From here on requests arrive at `fd`; the first is
 * FUSE_INIT, and every access to the mount waits until it is answered.
 * @throws a system error of mount(2)
 */
export function mountFuse(fd: number, mountpoint: string | Buffer, options: FuseMountOptions): void {
  const data = [
    `fd=${fd}`,
    // st_mode of the root in octal: a directory.
    'rootmode=40000',
    `user_id=${options.uid}`,
    `group_id=${options.gid}`,
    'default_permissions',
  ];
  if (options.allowOther) data.push('allow_other');
  if (options.maxRead !== undefined) data.push(`max_read=${options.maxRead}`);
  const flags = MS_NOSUID | MS_NODEV | (options.readOnly === true ? MS_RDONLY : 0);
  mount(options.fsname, mountpoint, FUSE_TYPE, flags, data.join(','));
}

/**
 * Opens another descriptor of the connection behind `mountedFd`, with a request queue of its own. A reply must be
 * written to the descriptor its request was read from.
 * @throws a system error; no descriptor is left open then
 */
export function cloneDevice(mountedFd: number): number {
  const fd = openFuseDevice();
  try {
    const argument = Buffer.alloc(4);
    argument.writeInt32LE(mountedFd);
    ioctl(fd, FUSE_DEV_IOC_CLONE, argument);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Tells the kernel of an open file that it may read and write by itself in place of a file of the mount.
 * @param device any descriptor of the connection
 * @returns the number under which an OPEN is answered with it, above 0; the descriptor is not needed any more
 * @throws a system error: EPERM without CAP_SYS_ADMIN or where it was not agreed on, ELOOP for a file on a file system with
 *   more others below it than was agreed on, EOPNOTSUPP or ENOTTY from kernels that cannot do it
 */
export function registerBackingFile(device: number, fd: number): number {
  const map = Buffer.alloc(16);
  map.writeInt32LE(fd);
  return ioctl(device, FUSE_DEV_IOC_BACKING_OPEN, map);
}

/** Takes that back; handles that were opened with it go on. */
export function releaseBackingFile(device: number, id: number): void {
  const argument = Buffer.alloc(4);
  argument.writeInt32LE(id);
  ioctl(device, FUSE_DEV_IOC_BACKING_CLOSE, argument);
}
