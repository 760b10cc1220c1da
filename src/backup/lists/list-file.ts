// The file of a content list.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { pathBytes } from '../byte-path.js';
import { lostListLines } from '../program-version.js';
import type { BackupInfo } from '../types.js';

/** Where a backup's list lies. @param directory of the backup (byte string) */
export function listPath(directory: string): Buffer {
  return pathBytes(`${directory}/backup_content.control`);
}

/** Opens a backup's list for reading. @throws PbkfsError backup_damaged when there is none */
export function openList({ id, directory }: Pick<BackupInfo, 'id' | 'directory'>): number {
  try {
    return fs.openSync(listPath(directory), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new PbkfsError('backup_damaged', `backup ${id}: backup_content.control is missing`, {
      hint: 'without its list of files a backup cannot be read: choose another one',
      cause: error,
    });
  }
}

/**
 * Why a list lacks files that were backed up, as the end of a sentence that begins with its name; undefined where it is
 * not known to lack any.
 * @param bytes length of the list
 */
export function whyIncomplete(
  { version, programVersion }: Pick<BackupInfo, 'version' | 'programVersion'>,
  bytes: number,
): string | undefined {
  if (!lostListLines(version, bytes)) return undefined;
  return `is not complete: pg_probackup ${programVersion} lost one file of every 4000 KiB of it`;
}
