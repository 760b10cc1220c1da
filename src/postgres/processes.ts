// Children of a process, by /proc: to kill a server the hard way and to know when it is gone.

import { readdirSync } from 'node:fs';
import { identityOf, isAlive, type ProcessIdentity } from '../sys/process-identity.js';

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
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
