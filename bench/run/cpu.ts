// CPU time and placement of servers, by /proc and taskset.

import { readFileSync } from 'node:fs';
import { runOk } from '../../test/support/run.js';

/** utime and stime of /proc/PID/stat count in these (sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on). */
const TICKS_PER_SECOND = 100;
/** The CPU that pinned rounds run on. */
const PIN = '0';

/** CPU seconds of a process and its ended threads so far. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** Puts all threads of a process on one CPU, or lets them run anywhere again. Threads it starts later follow. */
export async function place(pid: number, pinned: boolean): Promise<void> {
  await runOk('taskset', ['-a', '-c', '-p', pinned ? PIN : allowed, String(pid)]);
}

/** A command line in front of a client. */
export function pinnedCommand(pinned: boolean, command: string, args: readonly string[]): [string, string[]] {
  return pinned ? ['taskset', ['-c', PIN, command, ...args]] : [command, [...args]];
}

/** `0-1`: where this process may run. */
const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1];

/** Number of CPUs in a list like `0-1,4`. */
export const cpus = allowed
  .split(',')
  .map((range) => range.split('-').map(Number))
  .reduce((sum, [from, to = from]) => sum + to - from + 1, 0);
