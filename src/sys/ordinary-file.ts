// What may be replaced or removed by its name: /dev/null must stay what it is for the whole host, /dev/stdout a link.

import { lstatSync } from 'node:fs';

/** Whether the name is free, or that of an ordinary file: no link, device, pipe or directory. */
export function isFreeOrOrdinary(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
  } catch {
    // Whoever opens it hears why.
    return true;
  }
}
