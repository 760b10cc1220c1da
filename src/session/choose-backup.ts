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
  const found = mountable(catalog, instance, force).find((backup) => isConsistentBefore(backup, time));
  if (found !== undefined) return found;
  const when = Number.isFinite(time) ? ` that is consistent before ${formatTime(time)}` : '';
  throw new PbkfsError('backup_not_found', `instance ${instance} has no backup that can be mounted${when}`, {
    hint: '"pbkfs show" lists the backups',
  });
}

/** Backups of an instance that can be mounted, newest first. */
export function mountable(catalog: Catalog, instance: string, force: boolean): BackupInfo[] {
  const backups = catalog.backups(instance);
  return backups.filter((backup) => checkBackup(backups, instance, backup, { force }).mountable);
}

/** @param time µs since 1970 */
function isConsistentBefore(backup: BackupInfo, time: number): boolean {
  return (backup.recoveryTime ?? backup.endTime ?? Number.POSITIVE_INFINITY) * 1e6 <= time;
}
