// A mount's connection to the kernel: made, agreed on, and taken away again.

import { closeSync } from 'node:fs';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import type { Logger } from '../log.js';
import { isRoot, mountDevice, unmountDevice } from '../sys/fuse-mount.js';
import { mountOn } from '../sys/mountinfo.js';
import { type ReadAhead, setReadAhead } from '../sys/read-ahead.js';
import { THREADS_HINT } from '../sys/thread-limits.js';
import { type KernelFeatures, shakeHands } from './handshake.js';
import { beginPassthrough, stackDepth } from './passthrough.js';
import { MAX_TRANSFER } from './protocol/constants.js';
import type { BackendInfo, ServeOptions } from './serve-types.js';
import { sourceName } from './source-name.js';

/** KiB; see docs/speed.md. */
const READ_AHEAD = 4096;

export interface Connection {
  /** Every access to the mount waits until this is read from. */
  readonly device: number;
  /** The kernel's `major:minor` of the mount. */
  readonly number: string | undefined;
  readonly features: KernelFeatures;
  readonly readAhead: ReadAhead;
  /** The kernel reads and writes the objects of files made on the mount by itself. */
  readonly passthrough: boolean;
  /** Why it does not although it was asked for. */
  readonly passthroughFault?: string;
}

/** Mounts, and agrees with the kernel on how to go on. Throws with nothing mounted. */
export function connect(options: ServeOptions): Connection {
  const { mountpoint, diff } = options;
  const device = mountDevice(mountpoint, {
    uid: 0,
    gid: 0,
    allowOther: options.allowOther,
    readOnly: diff === null,
    // A kernel with pages larger than 4 KiB counts max_pages in its own.
    maxRead: MAX_TRANSFER,
    fsname: sourceName(options),
  });
  const number = mountOn(mountpoint)?.device;
  try {
    const wanted = options.passthrough === true && diff !== null;
    const features = shakeHands(device, wanted ? stackDepth(diff) : 0);
    // After INIT, by which the kernel takes no more than its own default.
    const readAhead = setReadAhead(mountpoint, options.readAhead ?? READ_AHEAD);
    if (!wanted) return { device, number, features, readAhead, passthrough: false };
    const fault = beginPassthrough(device, features.passthrough, diff, number);
    return {
      device,
      number,
      features,
      readAhead,
      passthrough: fault === null,
      ...given({ passthroughFault: fault ?? undefined }),
    };
  } catch (error) {
    takeAway(mountpoint);
    closeSync(device);
    throw error;
  }
}

/** @param connection null: there is none yet */
export function backendInfo(connection: Connection | null): BackendInfo {
  const { minor = 0, flags = [] } = connection?.features ?? {};
  const { kib = null, fault } = connection?.readAhead ?? {};
  return {
    backend: 'kernel',
    protocol: `7.${minor}`,
    features: connection?.passthrough ? [...flags, 'PASSTHROUGH'] : flags,
    readAhead: kib,
    ...given({ readAheadFault: fault, passthroughFault: connection?.passthroughFault }),
  };
}

/**
 * Ends the connection by force. The mount is not detached: a server that still runs must go on to get errors, and not
 * write into what lies below. One that was detached ends with its process: another may be on its directory.
 */
export function endByForce(mountpoint: string, number: string | undefined, log: Logger): void {
  if (mountOn(mountpoint)?.device !== number) return;
  try {
    unmountDevice(mountpoint, 'abort');
  } catch (error) {
    // Busy: aborted all the same.
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return;
    log.error(`forced unmount: ${(error as Error).message}`);
  }
}

/** Undoes a mount that nobody has been told of. */
export function takeAway(mountpoint: string): void {
  for (const how of ['abort', 'detach'] as const) {
    try {
      unmountDevice(mountpoint, how);
    } catch {
      // It is busy, or gone already.
    }
  }
}

/** What mounting failed with, for people. */
export function mountError(error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof PbkfsError || code === undefined) return error;
  const hint =
    code === 'EPERM' || code === 'EACCES'
      ? isRoot()
        ? 'root lacks the right to mount here (CAP_SYS_ADMIN, or access to /dev/fuse). A container gets both with --cap-add SYS_ADMIN --device /dev/fuse, and may need --security-opt apparmor=unconfined'
        : 'mounting needs root'
      : code === 'ENODEV' && syscall === 'read'
        ? 'somebody unmounted it before it could be served'
        : code === 'ENOENT' || code === 'ENODEV'
          ? 'this kernel has no FUSE: load the module (modprobe fuse) and check that /dev/fuse exists'
          : code === 'ERR_WORKER_INIT_FAILED'
            ? THREADS_HINT
            : undefined;
  return new PbkfsError('mount_failed', `cannot mount: ${syscall ?? ''} ${message}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
