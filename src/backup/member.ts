// One chain member opened for reading: its control data, its content list and where its files lie.

import fs from 'node:fs';
import { PbkfsError } from '../errors.js';
import { pathBytes } from './byte-path.js';
import { DATABASE_DIR } from './constants.js';
import type { ContentList } from './content-list.js';
import { parseContentList } from './content-parser.js';
import { crc32c } from './crc.js';
import type { BackupInfo } from './types.js';

export interface Member {
  /** Index into chain.members; 0 is the FULL. */
  readonly layer: number;
  readonly backup: BackupInfo;
  readonly list: ContentList;
}

/**
 * Reads a member's content list and checks it against content-crc.
 * @throws PbkfsError backup_damaged when the list is missing, differs from its CRC or cannot be understood
 */
export function openMember(backup: BackupInfo, layer: number): Member {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(pathBytes(`${backup.directory}/backup_content.control`));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new PbkfsError('backup_damaged', `backup ${backup.id}: backup_content.control is missing`, { cause: error });
  }
  if (backup.contentCrc !== 0) {
    const crc = crc32c(bytes);
    if (crc !== backup.contentCrc) {
      throw new PbkfsError(
        'backup_damaged',
        `backup ${backup.id}: backup_content.control has CRC ${crc}, backup.control says ${backup.contentCrc}`,
        {
          hint: 'the list of files is damaged or was changed; choose another backup',
        },
      );
    }
  }
  return { layer, backup, list: parseContentList(bytes, backup.id) };
}

/** Absolute path (latin1) of a file of PGDATA in a member. */
export function storedFile(member: Member, path: string): string {
  return `${member.backup.directory}/${DATABASE_DIR}/${path}`;
}
