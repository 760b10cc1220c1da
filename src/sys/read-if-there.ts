// Files that may be missing.

import { type PathLike, readFileSync } from 'node:fs';

/**
 * The content of a file.
 * @returns undefined where there is none
 * @throws a system error when it cannot be read
 */
export function readIfThere(path: PathLike): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
