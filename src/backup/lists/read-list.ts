// One backup's content list, read into what a mount of the chain needs of it.

import fs from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { type ListRow, UNKNOWN_ALG } from '../content-list.js';
import { scanContentList } from '../content-parser.js';
import type { BackupInfo } from '../types.js';
import { KeyTable } from './key-table.js';
import { openList } from './list-file.js';
import { ListInput } from './list-input.js';
import { type PackedListData, PackedListWriter } from './packed-list.js';
import { PathTable } from './path-table.js';
import { moreWords, words } from './shared-columns.js';

/** The part of a backup's control data that reading its list takes. */
export type ListOwner = Pick<BackupInfo, 'id' | 'directory' | 'contentCrc'>;

/** A file that cannot be served: of a compressed file system, or compressed by an algorithm nobody knows. */
export interface Unsupported {
  readonly file: number;
  readonly isCfs: boolean;
}

export interface ReadList {
  readonly data: PackedListData;
  /** The first in the list. */
  readonly unsupported: Unsupported | undefined;
}

export interface ReadTarget extends ReadList {
  readonly paths: PathTable;
  /** Mode of each path. */
  readonly modes: Uint32Array;
}

/** Bytes of a line, with a header map and without; only to make tables of about the right size at once. */
const USUAL_LINE = 300;
const SHORT_LINE = 150;

/**
 * Reads the list of the target: its paths, outside of external directories, are the files of the chain.
 * @throws PbkfsError backup_damaged when the list is missing, differs from its CRC or cannot be understood
 */
export function readTargetList(backup: ListOwner): ReadTarget {
  return withInput(backup, undefined, (input, size) => {
    const room = Math.ceil(size / SHORT_LINE);
    const paths = PathTable.empty(Math.ceil(size / USUAL_LINE), room);
    const list = new PackedListWriter(room, size);
    const others = new KeyTable();
    let modes: Uint32Array = words(Math.max(8, room));
    let unsupported: Unsupported | undefined;
    scanContentList(input, backup.id, (bytes, start, end, row) => {
      if (row.externalDir !== 0) return isNew(others, bytes, start, end, row);
      const file = paths.count;
      if (paths.add(bytes, start, end) !== file) return false;
      list.add(file, row);
      if (file >= modes.length) modes = moreWords(modes, file * 2);
      modes[file] = row.mode;
      if (unsupported === undefined && isUnsupported(row)) unsupported = { file, isCfs: row.isCfs };
      return true;
    });
    return { paths, modes, data: list.data(paths.count), unsupported };
  });
}

/**
 * Reads the list of an older member. Files that the target does not list are skipped, whatever is said of them; but the whole
 * list must be well-formed.
 * @param paths of the target
 * @param onPiece called whenever something of the list was read
 * @throws PbkfsError as readTargetList
 */
export function readOlderList(backup: ListOwner, paths: PathTable, onPiece?: () => void): ReadList {
  return withInput(backup, onPiece, (input, size) => {
    const list = new PackedListWriter(paths.count, size);
    const others = new KeyTable();
    let unsupported: Unsupported | undefined;
    scanContentList(input, backup.id, (bytes, start, end, row) => {
      const file = row.externalDir === 0 ? paths.find(bytes, start, end) : -1;
      if (file < 0) return isNew(others, bytes, start, end, row);
      if (list.has(file)) return false;
      list.add(file, row);
      if (unsupported === undefined && isUnsupported(row)) unsupported = { file, isCfs: row.isCfs };
      return true;
    });
    return { data: list.data(paths.count), unsupported };
  });
}

function withInput<T>(
  backup: ListOwner,
  onPiece: (() => void) | undefined,
  use: (input: ListInput, size: number) => T,
) {
  const fd = openList(backup);
  try {
    const input = ListInput.from(fd, onPiece);
    let result: T;
    try {
      result = use(input, fs.fstatSync(fd).size);
    } catch (error) {
      // Where the CRC is wrong, that is the fault to report, and not what a changed list led to.
      input.drain();
      checkCrc(backup, input.crc);
      throw error;
    }
    checkCrc(backup, input.crc);
    return result;
  } finally {
    fs.closeSync(fd);
  }
}

/** @throws PbkfsError backup_damaged when a list does not have the CRC that backup.control gives, if it gives one */
export function checkCrc(backup: ListOwner, crc: number): void {
  if (backup.contentCrc === 0 || crc === backup.contentCrc) return;
  throw new PbkfsError(
    'backup_damaged',
    `backup ${backup.id}: backup_content.control has CRC ${crc}, backup.control says ${backup.contentCrc}`,
    { hint: 'the list of files is damaged or was changed; choose another backup' },
  );
}

function isNew(others: KeyTable, bytes: Buffer, start: number, end: number, row: ListRow): boolean {
  const key = others.count;
  return others.add(bytes, start, end, row.externalDir) === key;
}

function isUnsupported(row: ListRow): boolean {
  return row.isCfs || (row.isDatafile && row.size > 0 && row.alg === UNKNOWN_ALG);
}
