// Processes that somebody has stopped (SIGSTOP, a debugger): what they serve neither answers nor ends.

import { readFileSync } from 'node:fs';
import { isAlive } from '../sys/process-identity.js';
import type { Owner } from './mounted.js';

/** Whether somebody has stopped it. */
export function isStopped(pid: number): boolean {
  try {
    return /^State:\s+[Tt]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

/** What to do about such a process. @param who what it is called */
export function letGoOn(pid: number, who = 'its process'): string {
  return `${who} is stopped: "kill -CONT ${pid}" lets it go on`;
}

/** The pid of a mount process that somebody has stopped. */
export function stoppedProcess(owner: Owner | undefined): number | undefined {
  return owner !== undefined && isAlive(owner) && isStopped(owner.pid) ? owner.pid : undefined;
}
