// How many backing files a data thread may keep open.

import { readFileSync } from 'node:fs';

/** Descriptors the process needs for everything else: devices, logs, journal, event loops of the threads. */
const RESERVED = 160;
const MOST = 1024;
const LEAST = 4;

/** The thread's share of the process's limit of open files. */
export function fdLimitPerThread(threads: number): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
  return Math.max(LEAST, Math.min(MOST, Math.floor((soft - RESERVED) / threads)));
}
