// Telling a dead mount: its server has gone, every access answers "Transport endpoint is not connected".

import { statfsSync } from 'node:fs';
import { isOurs, mountOn } from '../sys/mountinfo.js';
import { isAlive } from '../sys/process-identity.js';
import { findRegistered, listRegistered } from './registry.js';
import { findServingProcess } from './serving-process.js';

/**
 * Whether the topmost mount on the directory is one of pbkfs whose server has gone. A server known to live is not
 * disturbed: asking a mount whose server hangs would hang too.
 */
export function isStale(mountpoint: string): boolean {
  const entry = mountOn(mountpoint);
  if (entry === undefined || !isOurs(entry)) return false;
  const owner = findRegistered(mountpoint) ?? findServingProcess(mountpoint);
  // A bind mount of one has no entry of its own.
  if ([owner, ...listRegistered().filter(({ device }) => device === entry.device)].some((one) => one && isAlive(one)))
    return false;
  try {
    // Not stat(2): the kernel goes on answering it from its cache after the server's death, statfs(2) it never caches.
    statfsSync(mountpoint);
    return false;
  } catch (error) {
    // ECONNABORTED: the last thread of a killed server ended while we were asking.
    return ['ENOTCONN', 'ECONNABORTED'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}
