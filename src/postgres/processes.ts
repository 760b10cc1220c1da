// Processes of a server, by /proc: its children, and signals to what still runs.

import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, isAlive, type ProcessIdentity, processIds } from '../sys/process-identity.js';

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
  return processIds()
    .map(identityOf)
    .filter((found) => found !== undefined)
    .filter((found) => found.parent === pid && isAlive(found));
}

/** SIGKILL to this very process; no error when it has ended. */
export function killHard(target: ProcessIdentity): void {
  signal(target, 'SIGKILL');
}

/** What is killed ends at once, unless it waits in the kernel for a disk, or for a mount that does not answer. */
const KILLED_MS = 10_000;
const POLL_MS = 20;

/**
 * SIGKILL to these very processes, and waits until they have ended.
 * @param patience in ms
 * @returns those that still run: nobody can end them but whoever they wait for
 */
export async function killAll<Process extends ProcessIdentity>(
  processes: readonly Process[],
  patience = KILLED_MS,
): Promise<readonly Process[]> {
  for (const process of processes) killHard(process);
  for (const deadline = performance.now() + patience; ; await sleep(POLL_MS)) {
    const left = processes.filter(isAlive);
    if (left.length === 0 || performance.now() >= deadline) return left;
  }
}

/** For messages. */
export function unkilled(processes: readonly ProcessIdentity[]): string {
  const list = processes.map(({ pid }) => `process ${pid}`).join(', ');
  return `killed, but has not ended (it waits for a disk, or a mount that does not answer): ${list}`;
}

/** A signal to this very process; no error when it has ended. */
export function signal(target: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (isAlive(target)) process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
