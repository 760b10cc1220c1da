// Mounting and unmounting without root: the set-uid helper fusermount3 of Debian's package fuse3.

import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { PbkfsError } from '../errors.js';
import type { FuseMountOptions } from './fuse-device.js';
import { receiveDescriptor, socketpair } from './sockets.js';

const HELPER = 'fusermount3';
const NO_ALLOW_OTHER = /user_allow_other/;

/**
 * Has fusermount3 mount `mountpoint` and returns the connection's device descriptor, which the helper sends back over
 * a socket. Only after its exit status is known is the socket read: a helper that fails sends nothing.
 * @throws PbkfsError mount_failed with what the helper said
 */
export function mountWithHelper(mountpoint: string, options: FuseMountOptions): number {
  const [ours, theirs] = socketpair();
  try {
    const list = ['nosuid', 'nodev', 'default_permissions', 'subtype=pbkfs', `fsname=${escapeOption(options.fsname)}`];
    if (options.allowOther) list.push('allow_other');
    if (options.readOnly === true) list.push('ro');
    const result = spawnSync(HELPER, ['-o', list.join(','), '--', mountpoint], {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3' },
    });
    if (result.error !== undefined) throw helperMissing(result.error);
    const said = result.stderr.toString().trim();
    if (result.status !== 0) throw refused(said);
    const fd = receiveDescriptor(ours);
    if (fd < 0) throw new PbkfsError('mount_failed', `${HELPER} mounted ${mountpoint} but sent no descriptor`);
    return fd;
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/**
 * Unmounts what this user mounted.
 * @throws an error with code EBUSY while somebody uses it, EPERM where this user has mounted nothing; PbkfsError
 * mount_failed otherwise
 */
export function unmountWithHelper(mountpoint: string, how: 'polite' | 'detach'): void {
  const flags = how === 'detach' ? ['-u', '-z'] : ['-u'];
  const result = spawnSync(HELPER, [...flags, '--', mountpoint], { stdio: ['ignore', 'ignore', 'pipe'] });
  if (result.error !== undefined) throw helperMissing(result.error);
  if (result.status === 0) return;
  const said = result.stderr.toString().trim();
  if (/busy/i.test(said)) throw systemError('EBUSY', said);
  // It finds the mount in /etc/mtab, that is in /proc/mounts, and only if it belongs to this user.
  if (/not found in|not permitted/i.test(said)) throw systemError('EPERM', said);
  throw new PbkfsError('mount_failed', said === '' ? `${HELPER} could not unmount ${mountpoint}` : said);
}

function helperMissing(cause: Error): PbkfsError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  const why = missing ? 'it is not installed' : cause.message;
  return new PbkfsError('mount_failed', `cannot run ${HELPER}: ${why}`, {
    hint: 'mounting without root needs the package fuse3 (apt-get install fuse3), and a PATH that leads to it; or run as root',
    cause,
  });
}

function refused(said: string): PbkfsError {
  const hint = NO_ALLOW_OTHER.test(said)
    ? 'put the line user_allow_other into /etc/fuse.conf, or mount without --allow-other'
    : /\/dev\/fuse/.test(said)
      ? 'root has to let users open the device: chmod 0666 /dev/fuse (a udev rule does so on most systems)'
      : /no write access|not a directory|Permission denied/.test(said)
        ? 'without root the mount point must be a directory that this user owns'
        : /could not determine username/.test(said)
          ? 'fusermount3 wants a user with a name: add this one to /etc/passwd, or run as root'
          : undefined;
  return new PbkfsError('mount_failed', said === '' ? `${HELPER} failed` : said, hint === undefined ? {} : { hint });
}

function systemError(code: string, said: string): Error {
  return Object.assign(new Error(`${code}: ${said}`), { code, syscall: 'umount2' });
}

/** A comma or backslash in a value must be escaped for the helper. */
function escapeOption(value: string): string {
  return value.replace(/[\\,]/g, '\\$&');
}
