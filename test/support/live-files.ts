// The files of a running cluster that pg_probackup would back up (format page 9), read as they are.

import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface LiveFile {
  /** Relative to the data directory; below `pg_tblspc/OID` what the link leads to. */
  readonly path: string;
  /** Undefined for a directory. */
  readonly content?: Buffer;
  /** st_mode. */
  readonly mode: number;
  /** Of the main fork of a relation: its segment number. */
  readonly segno?: number;
  /** From the path; 0 outside of databases. */
  readonly database: number;
}

/** Directories that are backed up empty. */
const EMPTIED =
  /^(pg_wal|pg_replslot|log)$|(^|\/)(pg_stat_tmp|pgsql_tmp|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_subtrans)$/;
const DROPPED =
  /^(postmaster\.(pid|opts)|(recovery|standby)\.signal|backup_label(\.old)?|tablespace_map(\.old)?|\w+\.conf\.tmp|current_logfiles\.tmp|recovery\.conf)$/;
const DROPPED_IN_DATABASES = /^(pg_internal\.init|t\d+_\d+(_\w+)?(\.\d+)?|\..*)$/;
const DATAFILE = /^(?:base|pg_tblspc\/\d+\/PG_[^/]+)\/(\d+)\/\d+(?:\.(\d+))?$|^global\/\d+(?:\.(\d+))?$/;

/** Reads all of it: for the small clusters of tests. */
export function liveFiles(dataDir: string): LiveFile[] {
  const files: LiveFile[] = [];
  const walk = (directory: string): void => {
    const names = readdirSync(join(dataDir, directory)).sort();
    const unlogged = new Set(names.flatMap((name) => /^(\d+)_init$/.exec(name)?.[1] ?? []));
    for (const name of names) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const absolute = join(dataDir, path);
      const isLink = lstatSync(absolute).isSymbolicLink();
      const stats = statSync(absolute);
      const [, inDatabase, segment, shared] = DATAFILE.exec(path) ?? [];
      const isDatafile = DATAFILE.test(path);
      const database = Number(/^(?:base|pg_tblspc\/\d+\/PG_[^/]+)\/(\d+)\//.exec(path)?.[1] ?? 0);
      if (stats.isDirectory()) {
        // The directory behind a tablespace's link is listed with the mode of pg_tblspc.
        files.push({ path, mode: isLink ? statSync(join(dataDir, directory)).mode : stats.mode, database: 0 });
        if (!EMPTIED.test(path)) walk(path);
      } else if (stats.isFile()) {
        if (directory === '' ? DROPPED.test(name) : DROPPED_IN_DATABASES.test(name)) continue;
        if (unlogged.has(/^(\d+)(_fsm)?(\.\d+)?$/.exec(name)?.[1] ?? '')) continue;
        const segno = isDatafile ? { segno: Number((inDatabase === undefined ? shared : segment) ?? 0) } : {};
        files.push({ path, content: readFileSync(absolute), mode: stats.mode, database, ...segno });
      }
    }
  };
  walk('');
  return files;
}
