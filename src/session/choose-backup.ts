// Which backup a session takes when it is told a time, or nothing at all.

import { type BackupInfo, type Catalog, checkBackup, openCatalog } from '../backup/index.js';
import { formatTime, type RecoveryTarget } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';

export interface BackupChoice {
  readonly catalog: string;
  readonly instance: string;
  /** An id, or `latest`: the newest backup that can be mounted and is consistent before the target. */
  readonly backupId?: string;
  readonly target?: RecoveryTarget;
  readonly force: boolean;
}

/** @throws PbkfsError backup_not_found */
export function chooseBackup(choice: BackupChoice): BackupInfo {
  const { instance, backupId, target, force } = choice;
  const catalog = openCatalog(choice.catalog);
  if (backupId !== undefined && backupId.toLowerCase() !== 'latest') return catalog.backup(instance, backupId);
  const time = target?.kind === 'time' ? target.time : Number.POSITIVE_INFINITY;
  const candidates = mountable(catalog, instance, force);
  const found = candidates.find((backup) => consistentFrom(backup) <= time);
  if (found !== undefined) return found;
  const when = Number.isFinite(time) ? ` that is consistent before ${formatTime(time)}` : '';
  const first = Math.min(...candidates.map(consistentFrom));
  const earliest = Number.isFinite(first) ? `the earliest moment that can be reached is ${formatTime(first)}; ` : '';
  throw noBackup(instance, when, earliest);
}

/** Every backup that can be mounted, newest first. @throws PbkfsError backup_not_found where there is none */
export function chooseAll({ catalog, instance, force }: BackupChoice): BackupInfo[] {
  const found = mountable(openCatalog(catalog), instance, force);
  if (found.length === 0) throw noBackup(instance);
  return found;
}

/** @param when what a backup had to be besides @param earliest beginning of the hint */
function noBackup(instance: string, when = '', earliest = ''): PbkfsError {
  return new PbkfsError('backup_not_found', `instance ${instance} has no backup that can be mounted${when}`, {
    hint: `${earliest}"pbkfs show" lists the backups`,
  });
}

/** Backups of an instance that can be mounted, newest first. */
function mountable(catalog: Catalog, instance: string, force: boolean): BackupInfo[] {
  const backups = catalog.backups(instance);
  return backups.filter((backup) => checkBackup(backups, instance, backup, { force }).mountable);
}

/** The earliest time a backup can be recovered to, in µs since 1970. */
function consistentFrom(backup: BackupInfo): number {
  return (backup.recoveryTime ?? backup.endTime ?? Number.POSITIVE_INFINITY) * 1e6;
}
