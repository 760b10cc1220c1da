// The pid file of a mount: for service managers that want one. Who serves a mount is decided by the lock, never by it.

import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { isFreeOrOrdinary } from '../../sys/ordinary-file.js';

/** Makes sure that a pid file can be written, before anything is mounted. @throws PbkfsError mount_failed */
export function checkPidFile(path: string): void {
  if (!isFreeOrOrdinary(path)) {
    throw new PbkfsError('mount_failed', `the pid file ${path} is no ordinary file, and would be removed at the end`, {
      hint: 'name a new file with --pid-file, or leave it out',
    });
  }
  try {
    closeSync(openSync(path, 'a', 0o644));
  } catch (error) {
    throw unwritable(error);
  }
}

/** Writes this process's id and a newline. @throws PbkfsError mount_failed */
export function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (error) {
    throw unwritable(error);
  }
}

function unwritable(cause: unknown): PbkfsError {
  return new PbkfsError('mount_failed', `cannot write the pid file: ${(cause as Error).message}`, {
    hint: 'give another one with --pid-file',
    cause,
  });
}

/** Removes the file unless it belongs to another process by now. Never throws. */
export function removePidFile(path: string): void {
  if (!isFreeOrOrdinary(path)) return;
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (text === '' || text === String(process.pid)) rmSync(path, { force: true });
  } catch {
    // It is gone already.
  }
}
