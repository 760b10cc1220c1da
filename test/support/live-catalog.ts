// Writes catalogs in pg_probackup's format from a live cluster: backups of it, and its WAL as an archive.

import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { BLCKSZ, backupIdOf, pgControlCrc } from '../../src/backup/index.js';
import { isSegmentName, parseLsnNumber, parseSegmentName } from '../../src/backup/wal/index.js';
import type { PostgresServer } from '../../src/postgres/server.js';
import { type FileSpec, writeCatalog } from './catalog-writer.js';
import { connected, query } from './postgres.js';

/** What a backup does not have (format page 9.1). */
const CONTENT_DROPPED = /^(pg_wal|pg_stat_tmp|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_subtrans)\//;
const DROPPED =
  /(^|\/)(postmaster\.(pid|opts)|pg_internal\.init|recovery\.signal|backup_label|current_logfiles|t\d+_\d+)$/;
const DATAFILE = /^(base\/\d+|global)\/\d+(\.(\d+))?$/;

export interface LiveBackup {
  readonly id: string;
  readonly startLsn: string;
  readonly stopLsn: string;
}

/** Backups of one cluster in one catalog; instance main. */
export class LiveCatalog {
  readonly path: string;
  readonly #dataDir: string;
  #last = 0;

  constructor(path: string, dataDir: string) {
    this.path = path;
    this.#dataDir = dataDir;
    mkdirSync(join(path, 'wal/main'), { recursive: true });
  }

  /** A FULL backup of the running cluster. */
  async backup(server: PostgresServer, how: { stream: boolean }): Promise<LiveBackup> {
    // Ids are seconds.
    this.#last = Math.max(this.#last + 1, Math.floor(Date.now() / 1000));
    const start = this.#last;
    return connected(server, 'postgres', async (client) => {
      const [version] = await row(client, `select current_setting('server_version_num')::int / 10000`);
      const modern = version >= 15;
      await client.query(
        modern ? `select pg_backup_start('test', true)` : `select pg_start_backup('test', true, false)`,
      );
      const files = this.#files();
      const stop = modern ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
      const [stopLsn, label, now] = await row(
        client,
        `select lsn, labelfile, clock_timestamp()::timestamptz(0) from ${stop}`,
      );
      const [, startLsn] = /START WAL LOCATION: (\S+)/.exec(label)!;
      files.push({ path: 'backup_label', content: label, mode: 0o100644 });
      if (how.stream) {
        await client.query('select pg_switch_wal()');
        files.push(...this.#walFiles(parseLsnNumber(startLsn)!, parseLsnNumber(stopLsn)!));
      }
      const [timeline, system, segment] = await row(
        client,
        `select timeline_id, system_identifier, current_setting('wal_segment_size')
         from pg_control_checkpoint(), pg_control_system()`,
      );
      const control = {
        stream: String(how.stream),
        'server-version': version,
        timelineid: timeline,
        'start-lsn': startLsn!,
        'stop-lsn': stopLsn,
        'recovery-time': `'${(now as Date).toISOString().slice(0, 19).replace('T', ' ')}+00'`,
      };
      writeCatalog(this.path, [{ start, mode: 'FULL', files, control }]);
      writeFileSync(
        join(this.path, 'backups/main/pg_probackup.conf'),
        `system-identifier = ${system}\nxlog-seg-size = ${Number.parseInt(segment, 10) << 20}\n`,
      );
      return { id: backupIdOf(start), startLsn: startLsn!, stopLsn };
    });
  }

  /** Archives everything the cluster has written so far, and opens the archive to the server's user. */
  async archive(server: PostgresServer): Promise<void> {
    const current = await query(server, 'select pg_walfile_name(pg_switch_wal())');
    const source = join(this.#dataDir, 'pg_wal');
    for (const name of readdirSync(source)) {
      const target = join(this.path, 'wal/main', name);
      const complete = name.endsWith('.history') || (isSegmentName(name) && name.slice(8) <= current.slice(8));
      if (complete && !existsSync(target)) cpSync(join(source, name), target);
    }
    chmodSync(this.path, 0o755);
  }

  #files(): FileSpec[] {
    const files: FileSpec[] = [];
    const walk = (directory: string): void => {
      for (const name of readdirSync(join(this.#dataDir, directory)).sort()) {
        const path = directory === '' ? name : `${directory}/${name}`;
        const stats = lstatSync(join(this.#dataDir, path));
        if (stats.isDirectory()) {
          files.push({ path, dir: true });
          walk(path);
        } else if (stats.isFile() && !CONTENT_DROPPED.test(path) && !DROPPED.test(path)) files.push(this.#file(path));
      }
    };
    walk('');
    return files;
  }

  #file(path: string): FileSpec {
    const content = readFileSync(join(this.#dataDir, path));
    const datafile = DATAFILE.exec(path);
    if (datafile === null) {
      return path === 'global/pg_control'
        ? { path, content, keys: { crc: pgControlCrc(content)! } }
        : { path, content };
    }
    const pages = Array.from({ length: Math.floor(content.length / BLCKSZ) }, (_, block): [number, Buffer] => [
      block,
      content.subarray(block * BLCKSZ, (block + 1) * BLCKSZ),
    ]);
    return { path, pages, segno: Number(datafile[3] ?? 0), alg: 'none' };
  }

  #walFiles(start: number, stop: number): FileSpec[] {
    return readdirSync(join(this.#dataDir, 'pg_wal'))
      .filter(isSegmentName)
      .map((name) => ({ name, content: readFileSync(join(this.#dataDir, 'pg_wal', name)) }))
      .filter(({ name, content }) => {
        const { number } = parseSegmentName(name, content.length);
        return number >= Math.floor(start / content.length) && number <= Math.floor((stop - 1) / content.length);
      })
      .map(({ name, content }) => ({ path: `pg_wal/${name}`, content }));
  }
}

// biome-ignore lint/suspicious/noExplicitAny: columns of any type
async function row(client: pg.Client, sql: string): Promise<any[]> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  return rows[0] as unknown[];
}
