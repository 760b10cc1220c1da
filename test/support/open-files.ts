// What a process has open, by /proc.

import { readdirSync, readlinkSync } from 'node:fs';

/** The targets of its descriptors; one that is closed meanwhile is left out. */
export function openFilesOf(pid: number | string): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return [];
    }
  });
}
