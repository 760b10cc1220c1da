// How much disk a directory takes.

import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes on disk of everything below a directory, itself included, or undefined where it cannot be read. */
export function bytesOnDisk(directory: string): number | undefined {
  let bytes = 0;
  try {
    bytes = lstatSync(directory).blocks * 512;
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      // What goes away while we look takes no space any more.
      bytes += entry.isDirectory()
        ? (bytesOnDisk(path) ?? 0)
        : (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
    return bytes;
  } catch {
    return undefined;
  }
}
