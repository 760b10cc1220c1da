// What threads wait for at the moment; from proc(5), /proc/PID/task/TID/stat.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The kernel's number of the calling thread; null where /proc does not say. */
export function threadId(): number | null {
  try {
    // "PID/task/TID"
    const id = Number(readlinkSync('/proc/thread-self').split('/')[2]);
    return Number.isSafeInteger(id) ? id : null;
  } catch {
    return null;
  }
}

/** How many of these threads of this process run, or could if they had a processor; one that cannot be looked at counts as waiting. */
export function runnableThreads(ids: Iterable<number>): number {
  let count = 0;
  for (const id of ids) if (stateOf('self', id) === 'R') count++;
  return count;
}

/** Whether all threads of a process wait for each other or for an event: none for a processor or a disk, and nobody has stopped it. */
export function isAsleep(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((id) => stateOf(pid, id) === 'S');
  } catch {
    return false;
  }
}

/** The letter behind the thread's name, which stands in parentheses and may hold any character. */
function stateOf(pid: number | 'self', id: number | string): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1');
    return text[text.lastIndexOf(')') + 2];
  } catch {
    return undefined;
  }
}
