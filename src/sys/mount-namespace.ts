// The mount namespaces of other processes. A process may end while it is looked at, and those of others may be closed to
// us: neither has anything then.

import { readFileSync, readlinkSync } from 'node:fs';
import { type MountEntry, parseMountinfo } from './mountinfo.js';

/** Tells one mount namespace from another. @param process its name in /proc: a number, or `self` */
export function namespaceOf(process: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** What is mounted there. @param process its name in /proc */
export function mountsOf(process: number | string): MountEntry[] {
  try {
    return parseMountinfo(readFileSync(`/proc/${process}/mountinfo`, 'latin1'));
  } catch {
    return [];
  }
}
