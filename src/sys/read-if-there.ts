// Files that may be missing.

import type { PathLike } from 'node:fs';
import { readPlain } from './plain-file.js';

/**
 * The content of a plain file.
 * @returns undefined where there is none
 * @throws a system error when it cannot be read
 */
export function readIfThere(path: PathLike): Buffer | undefined {
  try {
    return readPlain(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
