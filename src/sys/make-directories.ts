// A directory with those above it. Not by `recursive` of Node, which never returns where a directory that is there takes no
// other (/proc: mkdir(2) says ENOENT), and ends by no signal meanwhile.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** @throws a system error; one that is there already is none */
export function makeDirectories(directory: string, mode = 0o777): void {
  if (makeOne(directory, mode) === undefined) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectories(parent, mode);
  const missing = makeOne(directory, mode);
  if (missing !== undefined) throw missing;
}

/** @returns ENOENT, which those above it may cure; undefined when the directory is there. @throws any other system error */
function makeOne(directory: string, mode: number): NodeJS.ErrnoException | undefined {
  try {
    mkdirSync(directory, { mode });
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return undefined;
    throw error;
  }
}
