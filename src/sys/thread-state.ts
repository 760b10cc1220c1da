// Which threads of this process want a processor at the moment; from proc(5), /proc/PID/task/TID/stat.

import { readFileSync, readlinkSync } from 'node:fs';

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
  for (const id of ids) if (stateOf(id) === 'R') count++;
  return count;
}

/** The letter behind the thread's name, which stands in parentheses and may hold any character. */
function stateOf(id: number): string | undefined {
  try {
    const text = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
    return text[text.lastIndexOf(')') + 2];
  } catch {
    return undefined;
  }
}
