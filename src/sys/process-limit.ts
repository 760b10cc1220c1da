// The limits that this process lives with: /proc/self/limits, proc(5).

import { readFileSync } from 'node:fs';

type Limit = 'Max cpu time' | 'Max data size' | 'Max file size' | 'Max open files';

/** A soft limit in its unit, seconds, bytes or files; Infinity where there is none. @param name as in the file's first column */
export function processLimit(name: Limit): number {
  const line = readFileSync('/proc/self/limits', 'latin1')
    .split('\n')
    .find((text) => text.startsWith(`${name} `));
  const soft = /^\s+(\d+)/.exec(line?.slice(name.length) ?? '')?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}
