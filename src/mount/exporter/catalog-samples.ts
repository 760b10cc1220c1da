// What a catalog looks like from outside: how many backups, how large, how old, by instance and mode.

import { type BackupInfo, checkBackup, openCatalog } from '../../backup/index.js';
import type { Labels, Sample } from '../../metrics/exposition.js';

/** Reads all control files of a catalog. @throws PbkfsError catalog_not_found and system errors */
export function catalogSamples(path: string): Sample[] {
  const catalog = openCatalog(path);
  const samples: Sample[] = [];
  for (const instance of catalog.instances()) {
    const labels = { catalog: path, backup_instance: instance };
    let backups: readonly BackupInfo[];
    try {
      backups = catalog.backups(instance);
    } catch {
      samples.push({ metric: 'pbkfs_catalog_instance_up', labels, value: 0 });
      continue;
    }
    samples.push({ metric: 'pbkfs_catalog_instance_up', labels, value: 1 });
    samples.push(...instanceSamples(backups, instance, labels));
  }
  return samples;
}

function instanceSamples(backups: readonly BackupInfo[], instance: string, labels: Labels): Sample[] {
  const samples: Sample[] = [];
  for (const [mode, ofMode] of groupBy(backups, (backup) => backup.mode ?? 'unknown')) {
    const own = { ...labels, mode };
    for (const [status, same] of groupBy(ofMode, (backup) => backup.status)) {
      samples.push({ metric: 'pbkfs_catalog_backups', labels: { ...own, status }, value: same.length });
    }
    const bytes = ofMode.reduce((sum, backup) => sum + Math.max(0, backup.dataBytes ?? 0), 0);
    samples.push({ metric: 'pbkfs_catalog_stored_bytes', labels: own, value: bytes });
    const good = ofMode.filter((backup) => checkBackup(backups, instance, backup).mountable);
    samples.push({ metric: 'pbkfs_catalog_mountable_backups', labels: own, value: good.length });
    const ends = good.map((backup) => backup.endTime ?? backup.startTime).filter((time) => time !== undefined);
    if (ends.length === 0) continue;
    samples.push({
      metric: 'pbkfs_catalog_latest_backup_timestamp_seconds',
      labels: own,
      value: ends.reduce((a, b) => Math.max(a, b)),
    });
    samples.push({
      metric: 'pbkfs_catalog_oldest_backup_timestamp_seconds',
      labels: own,
      value: ends.reduce((a, b) => Math.min(a, b)),
    });
  }
  return samples;
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}
