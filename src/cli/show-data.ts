// What `pbkfs show` knows about a catalog, as data: the shape of its JSON.

import { type BackupInfo, type Catalog, checkBackup, memberIds } from '../backup/index.js';

export interface ShownBackup {
  readonly id: string;
  readonly mode: string | null;
  readonly status: string;
  readonly parentId: string | null;
  /** Ids from the FULL to this backup, as far as the chain can be followed. */
  readonly chain: readonly string[];
  readonly mountable: boolean;
  /** Why it cannot be mounted, and what to do about it. */
  readonly reason: string | null;
  readonly hint: string | null;
  /** ISO 8601, UTC. */
  readonly startTime: string | null;
  readonly endTime: string | null;
  readonly recoveryTime: string | null;
  readonly startLsn: string | null;
  readonly stopLsn: string | null;
  readonly timeline: number | null;
  /** Whether the WAL for consistency lies in the backup; otherwise only in the archive. */
  readonly stream: boolean;
  readonly serverVersion: string | null;
  readonly programVersion: string | null;
  readonly compressAlg: string | null;
  /** Bytes stored in the backup, of its WAL, and of the data directory it restores to. */
  readonly dataBytes: number | null;
  readonly walBytes: number | null;
  readonly pgdataBytes: number | null;
  readonly note: string | null;
  readonly warnings: readonly string[];
}

export interface ShownInstance {
  readonly instance: string;
  readonly systemIdentifier: string | null;
  /** Newest first. */
  readonly backups: readonly ShownBackup[];
}

/** @throws PbkfsError catalog_not_found for an unknown instance */
export function describeInstance(catalog: Catalog, instance: string): ShownInstance {
  const backups = catalog.backups(instance);
  return {
    instance,
    systemIdentifier: catalog.config(instance).systemIdentifier ?? null,
    backups: backups.map((backup) => describeBackup(backups, instance, backup)),
  };
}

export function describeBackup(backups: readonly BackupInfo[], instance: string, backup: BackupInfo): ShownBackup {
  const { mountable, reason, hint, members } = checkBackup(backups, instance, backup);
  return {
    id: backup.id,
    mode: backup.mode ?? null,
    status: backup.status,
    parentId: backup.parentId ?? null,
    chain: memberIds({ members }),
    mountable,
    reason: reason ?? null,
    hint: hint ?? null,
    startTime: isoOfSeconds(backup.startTime),
    endTime: isoOfSeconds(backup.endTime),
    recoveryTime: isoOfSeconds(backup.recoveryTime),
    startLsn: backup.startLsn ?? null,
    stopLsn: backup.stopLsn ?? null,
    timeline: backup.timeline ?? null,
    stream: backup.stream,
    serverVersion: backup.serverVersion ?? null,
    programVersion: backup.programVersion ?? null,
    compressAlg: backup.compressAlg ?? null,
    dataBytes: backup.dataBytes ?? null,
    walBytes: backup.walBytes ?? null,
    pgdataBytes: backup.pgdataBytes ?? null,
    note: backup.note ?? null,
    warnings: backup.warnings,
  };
}

/** Unix seconds as `2026-11-21T04:16:56Z`. */
export function isoOfSeconds(seconds: number | undefined): string | null {
  return seconds === undefined ? null : new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
