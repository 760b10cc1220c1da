// What a mount's log says of the reads it has refused. The server, or whoever read, was told of an I/O error and no more.

import { PbkfsError } from '../errors.js';
import { findRegistered } from '../mount/registry.js';
import { readIfThere } from '../sys/read-if-there.js';

const IO_ERROR = /\bEIO\b|Input\/output error/;
/** Time and message of an error, without the fields behind it. */
const LOGGED = /^(\S+) ERROR (?:\w+ of inode row \d+: )?(.*?)(?: \w+=(?:"|\S).*)?$/gm;
/** Damage has many lines, and the first ones say what it is. */
const MOST_LINES = 3;

export function isIoError(text: string): boolean {
  return IO_ERROR.test(text);
}

/** Each once, in their order. @param since milliseconds since 1970 */
export function refusedReads(mountpoint: string | undefined, since: number): string[] {
  const logFile = mountpoint === undefined ? undefined : findRegistered(mountpoint)?.logFile;
  const text = logFile === undefined ? '' : contentOf(logFile);
  const said = [...text.matchAll(LOGGED)]
    .filter(([, time]) => Date.parse(time!) >= since)
    .map(([, , message]) => message!);
  return [...new Set(said)].slice(0, MOST_LINES);
}

/** A log that is gone, closed to us or no plain file says nothing; what failed is told all the same. */
function contentOf(logFile: string): string {
  try {
    return readIfThere(logFile)?.toString() ?? '';
  } catch {
    return '';
  }
}

/** The same failure, with what the mount knows of it. @param since milliseconds since 1970 */
export function withRefusedReads(error: unknown, mountpoint: string | undefined, since: number): unknown {
  if (!(error instanceof Error)) return error;
  const hint = error instanceof PbkfsError ? error.hint : undefined;
  if (!isIoError(`${error.message}\n${hint ?? ''}`)) return error;
  const said = refusedReads(mountpoint, since);
  if (said.length === 0) return error;
  const code = error instanceof PbkfsError ? error.code : 'page_damaged';
  return new PbkfsError(code, `the mount has refused to read what is damaged or gone: ${said.join('; ')}`, {
    hint: `"pbkfs validate" checks the backup and its chain\nwhat failed by it: ${error.message}${hint === undefined ? '' : `\n${hint}`}`,
    cause: error,
  });
}
