// A pg_probackup catalog: its instances and the backups of each.

import fs from 'node:fs';
import path from 'node:path';
import { PbkfsError } from '../errors.js';
import { readPlain } from '../sys/plain-file.js';
import { readIfThere } from '../sys/read-if-there.js';
import { parseBackupControl } from './backup-control.js';
import { canonicalId, startTimeOf } from './backup-id.js';
import { byteString, displayPath, pathBytes } from './byte-path.js';
import { parseConfigText } from './config-text.js';
import type { BackupInfo } from './types.js';

/** What a reader needs of an instance's pg_probackup.conf; undefined where the file does not say. */
export interface InstanceConfig {
  readonly systemIdentifier: string | undefined;
  /** Bytes of one WAL segment. */
  readonly xlogSegSize: number | undefined;
  /** What `pg_probackup restore` would let recovery fetch WAL with. */
  readonly restoreCommand: string | undefined;
}

export interface Catalog {
  /** Absolute path as an ordinary string. */
  readonly path: string;
  /** Names of all instances, sorted. */
  instances(): string[];
  /**
   * All backups of an instance, newest first, broken ones too (they carry `problem`). Read anew at each call.
   * @throws PbkfsError catalog_not_found when there is no such instance
   */
  backups(instance: string): BackupInfo[];
  /**
   * One backup by its id, in any case.
   * @throws PbkfsError backup_not_found; backup_unusable when two directories claim the id
   */
  backup(instance: string, id: string): BackupInfo;
  config(instance: string): InstanceConfig;
}

/**
 * Opens a catalog directory (the `-B` of pg_probackup). Nothing is held open and nothing is ever written.
 * @throws PbkfsError catalog_not_found when the directory is missing or has no `backups` in it
 */
export function openCatalog(catalogPath: string): Catalog {
  const root = path.resolve(catalogPath);
  const backupsDir = `${byteString(root)}/backups`;
  if (!isDirectory(backupsDir)) {
    throw new PbkfsError('catalog_not_found', `${root} is not a pg_probackup catalog: it has no directory "backups"`, {
      hint: 'give the directory that pg_probackup init made (the -B of pg_probackup)',
    });
  }

  const instanceDir = (instance: string): string => {
    const directory = `${backupsDir}/${byteString(instance)}`;
    if (instance === '' || instance === '.' || instance === '..' || /[/\0]/.test(instance) || !isDirectory(directory)) {
      const known = catalog.instances();
      throw new PbkfsError('catalog_not_found', `catalog ${root} has no instance "${instance}"`, {
        hint: known.length === 0 ? 'the catalog has no instances at all' : `its instances: ${known.join(', ')}`,
      });
    }
    return directory;
  };

  const catalog: Catalog = {
    path: root,
    instances: () => subdirectories(backupsDir).map(displayPath).sort(),
    backups: (instance) => {
      const directory = instanceDir(instance);
      return subdirectories(directory)
        .filter((name) => !name.startsWith('.'))
        .map((name) => readBackup(`${directory}/${name}`, name))
        .sort(newestFirst);
    },
    backup: (instance, id) => findBackup(catalog.backups(instance), instance, id),
    config: (instance) => {
      const bytes = readIfThere(pathBytes(`${instanceDir(instance)}/pg_probackup.conf`));
      const { values } = parseConfigText(bytes ?? Buffer.alloc(0));
      const segSize = values.get('xlog-seg-size');
      const command = values.get('restore-command') ?? '';
      return {
        systemIdentifier: /^\d{1,20}$/.exec(values.get('system-identifier') ?? '')?.[0],
        xlogSegSize: segSize !== undefined && /^\d+$/.test(segSize) ? Number(segSize) : undefined,
        restoreCommand: /^(none)?$/i.test(command) ? undefined : command,
      };
    },
  };
  return catalog;
}

/** Finds a backup in a list; a directory named like the id goes before one whose start-time alone matches. */
export function findBackup(backups: readonly BackupInfo[], instance: string, id: string): BackupInfo {
  const wanted = canonicalId(id);
  const { named, same } = indexOf(backups);
  const matches = named.get(wanted) ?? same.get(wanted) ?? [];
  if (matches.length === 1) return matches[0]!;
  if (matches.length > 1) {
    const names = matches.map((backup) => displayPath(directoryName(backup))).join(', ');
    throw new PbkfsError(
      'backup_unusable',
      `backup id ${id} of instance ${instance} is claimed by several directories: ${names}`,
      {
        hint: 'remove or rename the directories that are copies',
      },
    );
  }
  throw new PbkfsError('backup_not_found', `instance ${instance} has no backup ${id}`, {
    hint: backups.length === 0 ? 'the instance has no backups' : 'list them with "pbkfs show"',
  });
}

/** Backups by what they can be called. */
interface Index {
  readonly named: ReadonlyMap<string, readonly BackupInfo[]>;
  readonly same: ReadonlyMap<string, readonly BackupInfo[]>;
}

/** Of lists that were asked: for a chain its list is asked as often as the chain is long. */
const indexes = new WeakMap<readonly BackupInfo[], Index>();

function indexOf(backups: readonly BackupInfo[]): Index {
  let index = indexes.get(backups);
  if (index === undefined) {
    index = { named: grouped(backups, directoryName), same: grouped(backups, ({ id }) => id) };
    indexes.set(backups, index);
  }
  return index;
}

function grouped(backups: readonly BackupInfo[], name: (backup: BackupInfo) => string): Map<string, BackupInfo[]> {
  const groups = new Map<string, BackupInfo[]>();
  for (const backup of backups) {
    const id = canonicalId(name(backup));
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [backup]);
    else group.push(backup);
  }
  return groups;
}

function directoryName(backup: BackupInfo): string {
  return backup.directory.slice(backup.directory.lastIndexOf('/') + 1);
}

/** Reads one backup's control file; whatever goes wrong stays within this backup. */
function readBackup(directory: string, name: string): BackupInfo {
  try {
    const bytes = readPlain(pathBytes(`${directory}/backup.control`));
    return parseBackupControl(bytes, directory, name);
  } catch (error) {
    const reason = isMissing(error) ? 'is missing' : `cannot be read: ${(error as Error).message}`;
    return parseBackupControl(undefined, directory, name, `backup.control ${reason}`);
  }
}

function newestFirst(a: BackupInfo, b: BackupInfo): number {
  // Without a backup.control the name of the directory still tells.
  const started = ({ startTime, id }: BackupInfo): number => startTime ?? startTimeOf(id);
  return started(b) - started(a) || (a.directory < b.directory ? -1 : 1);
}

/** Directories by lstat, as pg_probackup lists instances and backups: not every file system tells types in readdir. */
function subdirectories(directory: string): string[] {
  const isOne = (name: string): boolean =>
    fs.lstatSync(pathBytes(`${directory}/${name}`), { throwIfNoEntry: false })?.isDirectory() === true;
  return fs.readdirSync(pathBytes(directory), 'latin1').filter(isOne);
}

function isDirectory(directory: string): boolean {
  try {
    return fs.statSync(pathBytes(directory)).isDirectory();
  } catch (error) {
    // A file where a directory above it would have to be.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
