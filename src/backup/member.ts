// One chain member opened for reading: its control data, its content list and where its files lie.

import fs from 'node:fs';
import { DATABASE_DIR } from './constants.js';
import type { ContentList } from './content-list.js';
import { parseContentList } from './content-parser.js';
import { crc32c } from './crc.js';
import { openList } from './lists/list-file.js';
import type { PackedList } from './lists/packed-list.js';
import { checkCrc } from './lists/read-list.js';
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
  const fd = openList(backup);
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  checkCrc(backup, crc32c(bytes));
  return { layer, backup, list: parseContentList(bytes, backup.id) };
}

/** One chain member as a mount needs it: what it says of the target's files. */
export interface Layer {
  /** Index into chain.members; 0 is the FULL. */
  readonly layer: number;
  readonly backup: BackupInfo;
  readonly list: PackedList;
}

/** Absolute path (latin1) of a file of PGDATA in a member. */
export function storedFile({ backup }: Pick<Layer, 'backup'>, path: string): string {
  return `${backup.directory}/${DATABASE_DIR}/${path}`;
}
