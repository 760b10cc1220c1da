// Plain files by paths where anything may lie.

import fs from 'node:fs';

/** For open(2): a pipe in the place of the file is not waited for. For a plain file it is O_RDONLY. */
export const READ_PLAIN = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;

/**
 * The content of a plain file. A pipe or device in its place would never end; a directory is told by read(2).
 * @throws a system error when it cannot be read; an error that says so when it is no plain file
 */
export function readPlain(path: fs.PathLike): Buffer {
  const fd = fs.openSync(path, READ_PLAIN);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory()) throw new Error(`it is not a plain file: '${path}'`);
    return fs.readFileSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
