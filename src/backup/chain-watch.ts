// Noticing that the backups of a chain were changed, merged or deleted after the chain was opened.
//
// Only what describes a backup is watched: control file, content list, header map. A merge or delete announces itself in
// the control file before it touches anything else. Stored files are compared one by one as they are opened.

import fs from 'node:fs';
import { READ_PLAIN } from '../sys/plain-file.js';
import { parseBackupControl } from './backup-control.js';
import { pathBytes } from './byte-path.js';
import { crc32c } from './crc.js';
import type { BackupInfo, BackupStatus, Chain } from './types.js';

/** What can have happened to a backup. */
export const chainChanges = [
  'its backup.control is gone',
  'its status says that it is being merged or deleted',
  'it is another backup now',
  'its list of files is gone or another one',
  'its page_header_map is gone or another one',
] as const;

const CONTROL_GONE = 0;
const BAD_STATUS = 1;
const OTHER_BACKUP = 2;
const OTHER_LIST = 3;
const OTHER_MAP = 4;

export interface ChainChange {
  /** Index into chain.members. */
  readonly layer: number;
  /** Index into chainChanges. */
  readonly kind: number;
}

/** What is still the same file with the same content; the device is left out, because a remount may number it anew. */
interface FileIdentity {
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly size: bigint;
}

interface WatchedMember {
  readonly backup: BackupInfo;
  control: FileIdentity | null;
  list: FileIdentity | null;
  readonly listCrc: number;
  readonly map: FileIdentity | null;
}

/** States that the files of a backup may be read in; --force lets CORRUPT and ORPHAN in. */
const SETTLED: ReadonlySet<BackupStatus> = new Set<BackupStatus>(['OK', 'DONE', 'CORRUPT', 'ORPHAN']);

export class ChainWatch {
  readonly #members: readonly WatchedMember[];
  /** Files of a backup that was in the hands of a merge are not what they were, whatever its control file says later. */
  #final: ChainChange | null = null;

  private constructor(members: readonly WatchedMember[]) {
    this.#members = members;
  }

  /** Remembers the chain as it is now: before its content lists are read. @throws system errors */
  static start(chain: Chain): ChainWatch {
    return new ChainWatch(
      chain.members.map((backup) => {
        const list = pathOf(backup, 'backup_content.control');
        return {
          backup,
          control: identitySync(pathOf(backup, 'backup.control')),
          list: identitySync(list),
          listCrc: backup.contentCrc !== 0 ? backup.contentCrc : crc32c(fs.readFileSync(list)),
          map: identitySync(pathOf(backup, 'page_header_map')),
        };
      }),
    );
  }

  /**
   * Compares the chain with what it was. Three stat calls a backup when nothing has changed; asynchronous, because the
   * catalog's file system may hang.
   * @returns null when all is as it was. A file that was only away for a while is no lasting change.
   * @throws system errors of a catalog that cannot be looked at, which says nothing about what it holds
   */
  async check(): Promise<ChainChange | null> {
    if (this.#final !== null) return this.#final;
    for (const [layer, member] of this.#members.entries()) {
      const kind = await changeOf(member);
      if (kind === null) continue;
      const change = { layer, kind };
      if (kind === BAD_STATUS || kind === OTHER_BACKUP) this.#final = change;
      return change;
    }
    return null;
  }
}

async function changeOf(member: WatchedMember): Promise<number | null> {
  const { backup } = member;
  const controlPath = pathOf(backup, 'backup.control');
  const control = await identity(controlPath);
  if (control === null) return CONTROL_GONE;
  if (!same(control, member.control)) {
    // Pins, notes and validations rewrite it, and that is no change of the backup.
    const bytes = await readFile(controlPath);
    if (bytes === null) return CONTROL_GONE;
    const now = parseBackupControl(bytes, backup.directory, backup.id);
    if (now.problem === undefined && !SETTLED.has(now.status)) return BAD_STATUS;
    if (!isSameBackup(backup, now)) return OTHER_BACKUP;
    member.control = control;
  }
  const listPath = pathOf(backup, 'backup_content.control');
  const list = await identity(listPath);
  if (!same(list, member.list)) {
    const bytes = await readFile(listPath);
    if (bytes === null || crc32c(bytes) !== member.listCrc) return OTHER_LIST;
    member.list = list;
  }
  return same(await identity(pathOf(backup, 'page_header_map')), member.map) ? null : OTHER_MAP;
}

function isSameBackup(was: BackupInfo, now: BackupInfo): boolean {
  return (
    now.problem === undefined &&
    now.startTime === was.startTime &&
    now.mode === was.mode &&
    now.parentId === was.parentId &&
    now.mergeTime === was.mergeTime &&
    now.version === was.version &&
    now.contentCrc === was.contentCrc
  );
}

function pathOf(backup: BackupInfo, name: string): Buffer {
  return pathBytes(`${backup.directory}/${name}`);
}

function same(a: FileIdentity | null, b: FileIdentity | null): boolean {
  if (a === null || b === null) return a === b;
  return a.ino === b.ino && a.mtimeNs === b.mtimeNs && a.size === b.size;
}

function identitySync(path: Buffer): FileIdentity | null {
  return fs.statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

async function identity(path: Buffer): Promise<FileIdentity | null> {
  return orNull(fs.promises.stat(path, { bigint: true }));
}

async function readFile(path: Buffer): Promise<Buffer | null> {
  return orNull(fs.promises.readFile(path, { flag: READ_PLAIN }));
}

async function orNull<T>(result: Promise<T>): Promise<T | null> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
