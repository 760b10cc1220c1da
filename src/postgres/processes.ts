// Processes of a server, by /proc: its children, and signals to what still runs.

import { readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from '../sys/process-identity.js';

/** Whether a process runs PostgreSQL's program, also one that was replaced since. @param process its directory in /proc */
export function isServer(process: string): boolean {
  try {
    return basename(readlinkSync(`${process}/exe`, 'latin1').replace(/ \(deleted\)$/, '')) === 'postgres';
  } catch {
    // It has ended, or is another user's.
    return false;
  }
}

/** The living children of `pid`. */
export function childrenOf(pid: number): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => identityOf(Number(name)))
    .filter((found) => found !== undefined)
    .filter((found) => found.parent === pid && isAlive(found));
}

/** SIGKILL to this very process; no error when it has ended. */
export function killHard(target: ProcessIdentity): void {
  signal(target, 'SIGKILL');
}

/** A signal to this very process; no error when it has ended. */
export function signal(target: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (isAlive(target)) process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
