// Files that may be missing.

import fs from 'node:fs';

/**
 * The content of a plain file. A pipe or device in its place would never end.
 * @throws a system error when it cannot be read, or is no plain file
 */
export function readPlain(path: fs.PathLike): Buffer {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory()) throw new Error(`it is not a plain file: '${path}'`);
    return fs.readFileSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * The content of a plain file.
 * @returns undefined where there is none
 * @throws a system error when it cannot be read
 */
export function readIfThere(path: fs.PathLike): Buffer | undefined {
  try {
    return readPlain(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
