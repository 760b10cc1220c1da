// Errors about damaged stored files, always naming backup, file and (where there is one) block.

import fs from 'node:fs';
import { PbkfsError } from '../errors.js';
import { READ_PLAIN } from '../sys/plain-file.js';
import { displayPath, pathBytes } from './byte-path.js';

const hint = 'the backup is damaged: run "pg_probackup validate", or choose another backup';

/** A fault of a stored file. `file` is its absolute path (latin1). */
export function damagedFile(backupId: string, file: string, why: string, cause?: unknown): PbkfsError {
  const place = { backup: backupId, file: displayPath(file) };
  return new PbkfsError('page_damaged', `backup ${backupId}, file ${place.file}: ${why}`, { hint, cause, place });
}

/** A fault of one block of a page stream. */
export function damagedBlock(backupId: string, file: string, block: number, why: string, cause?: unknown): PbkfsError {
  const place = { backup: backupId, file: displayPath(file), block };
  const message = `backup ${backupId}, file ${place.file}: block ${block}: ${why}`;
  return new PbkfsError('page_damaged', message, { hint, cause, place });
}

/**
 * Opens a stored file for reading and checks that all listed bytes are there.
 * @param size bytes by the content list; a longer file is fine (the list is right)
 * @throws PbkfsError page_damaged when it is missing, no file, or too short; other system errors as they come
 */
export function openStored(backupId: string, file: string, size: number): number {
  let fd: number;
  try {
    fd = fs.openSync(pathBytes(file), READ_PLAIN);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw damagedFile(backupId, file, 'it is listed but missing', error);
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw damagedFile(backupId, file, 'it is not a plain file');
    if (stat.size < size) throw damagedFile(backupId, file, `it has ${stat.size} bytes, ${size} are listed`);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return fd;
}
