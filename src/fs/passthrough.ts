// Whether the kernel may read and write the objects of files made on the mount by itself (FUSE_PASSTHROUGH), and the
// note in the diff that it does.

import { closeSync, openSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { registerBackingFile, releaseBackingFile } from '../sys/fuse-device.js';
import { hasKernelClients, noteClients } from './kernel-clients.js';

/** statfs(2) type of an overlay, linux/magic.h. */
const OVERLAYFS = 0x794c7630;

/** How deep file systems may lie on each other: that of the objects counts one more than those below it. */
export function stackDepth(diff: string): number {
  return statfsSync(diff).type === OVERLAYFS ? 2 : 1;
}

/**
 * Tries it with a file of the diff, and leaves the note.
 * @param agreed what the kernel said to INIT
 * @param number the kernel's `major:minor` of the mount, where that is known
 * @returns why it cannot be done; null: it can
 */
export function beginPassthrough(
  device: number,
  agreed: boolean,
  diff: string,
  number: string | undefined,
): string | null {
  if (!agreed) return 'the kernel cannot do it (Linux 6.9 and later can)';
  if (number === undefined) return 'the mount is not in /proc/self/mountinfo';
  // The note has room for one connection.
  if (hasKernelClients(diff)) return 'programs of an earlier mount still write to files of the diff';
  const fd = openSync(join(diff, 'journal'), 'r');
  try {
    releaseBackingFile(device, registerBackingFile(device, fd));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EPERM' ? 'only root may' : `the kernel refuses files of the diff (${code})`;
  } finally {
    closeSync(fd);
  }
  noteClients(diff, number);
  return null;
}
