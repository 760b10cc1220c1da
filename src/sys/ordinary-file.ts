// What may be replaced or removed by its name: /dev/null must stay what it is for the whole host, /dev/stdout a link.

import { lstatSync } from 'node:fs';
import { PbkfsError } from '../errors.js';

/** Whether the name is free, or that of an ordinary file: no link, device, pipe or directory. */
export function isFreeOrOrdinary(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
  } catch {
    // Whoever opens it hears why.
    return true;
  }
}

/** That a name can be given to a new file without taking anything else away. @throws PbkfsError usage */
export function checkReplaceable(path: string, hint: string): void {
  if (isFreeOrOrdinary(path)) return;
  throw new PbkfsError('usage', `cannot write to ${path}: it is no ordinary file, and would be replaced by one`, {
    hint,
  });
}
