// Writes catalogs in pg_probackup's format from a live cluster of any major version: FULL and DELTA backups of it, and
// its WAL as an archive.

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type pg from 'pg';
import { BLCKSZ, backupIdOf, type CompressAlg, crc32c, pgControlCrc } from '../../src/backup/index.js';
import { historyName, isSegmentName, parseLsnNumber, parseSegmentName } from '../../src/backup/wal/index.js';
import type { PostgresServer } from '../../src/postgres/server.js';
import { type FileSpec, writeCatalog } from './catalog-writer.js';
import { type LiveFile, liveFiles } from './live-files.js';
import { connected, query } from './postgres.js';

export interface LiveBackup {
  readonly id: string;
  readonly startLsn: string;
  readonly stopLsn: string;
  /** The cluster's files as they were read, before the backup's own were added. */
  readonly files: readonly LiveFile[];
}

export interface BackupOptions {
  readonly stream: boolean;
  /** FULL where it is missing; DELTA has the backup made last as its parent. */
  readonly mode?: 'FULL' | 'DELTA';
  /** None where it is missing. */
  readonly alg?: CompressAlg;
}

interface Made extends LiveBackup {
  readonly start: number;
}

/** Backups of one cluster in one catalog; instance main. */
export class LiveCatalog {
  readonly path: string;
  readonly #dataDir: string;
  #last: Made | undefined;

  constructor(path: string, dataDir: string) {
    this.path = path;
    this.#dataDir = dataDir;
    mkdirSync(join(path, 'wal/main'), { recursive: true });
  }

  async backup(server: PostgresServer, how: BackupOptions): Promise<LiveBackup> {
    const { stream, mode = 'FULL', alg = 'none' } = how;
    const parent = mode === 'DELTA' ? this.#last : undefined;
    if (mode === 'DELTA' && parent === undefined) throw new Error('DELTA needs a backup before it');
    // Ids are seconds.
    const start = Math.max((this.#last?.start ?? 0) + 1, Math.floor(Date.now() / 1000));
    return connected(server, 'postgres', async (client) => {
      const [version] = await row(client, `select current_setting('server_version_num')::int / 10000`);
      const modern = version >= 15;
      await client.query(
        modern ? `select pg_backup_start('test', true)` : `select pg_start_backup('test', true, false)`,
      );
      const live = liveFiles(this.#dataDir);
      const [databases] = await row(
        client,
        `select string_agg(format('{"dbOid":"%s", "datname":"%s"}' || chr(10), oid, datname), '')
         from pg_database where datname not in ('template0', 'template1')`,
      );
      const stop = modern ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
      const [stopLsn, label, map, now, xid] = await row(
        client,
        `select lsn, labelfile, spcmapfile, clock_timestamp()::timestamptz(0), txid_snapshot_xmax(txid_current_snapshot())
         from ${stop}`,
      );
      const [, startLsn] = /START WAL LOCATION: (\S+)/.exec(label)!;
      const [timeline, system, segment] = await row(
        client,
        `select timeline_id, system_identifier, pg_size_bytes(current_setting('wal_segment_size'))
         from pg_control_checkpoint(), pg_control_system()`,
      );
      const files = live.map((file) => fileSpec(file, alg, parent));
      files.push({ path: 'backup_label', content: label, mode: 0o100644 });
      if (map !== '') files.push({ path: 'tablespace_map', content: map, mode: 0o100644 });
      if (stream) {
        await client.query('select pg_switch_wal()');
        files.push(...this.#walFiles(timeline, parseLsnNumber(startLsn!)!, parseLsnNumber(stopLsn)!));
      }
      files.push({ path: 'database_map', content: databases, mode: 0o100644 });
      const control = {
        stream: String(stream),
        'compress-alg': alg,
        'server-version': version,
        'checksum-version': await dataChecksums(client),
        timelineid: timeline,
        'start-lsn': startLsn!,
        'stop-lsn': stopLsn,
        'end-time': `'${text(new Date())}'`,
        'recovery-xid': xid,
        'recovery-time': `'${text(now)}'`,
      };
      writeCatalog(this.path, [{ start, mode, files, control, ...(parent ? { parent: parent.start } : {}) }]);
      writeFileSync(
        join(this.path, 'backups/main/pg_probackup.conf'),
        `pgdata = ${this.#dataDir}\nsystem-identifier = ${system}\nxlog-seg-size = ${segment}\n`,
      );
      this.#last = { id: backupIdOf(start), startLsn: startLsn!, stopLsn, files: live, start };
      return this.#last;
    });
  }

  /** Archives everything the cluster has written so far, and opens the archive to the server's user. */
  async archive(server: PostgresServer, dataDir = this.#dataDir, form: 'plain' | 'gz' = 'plain'): Promise<void> {
    const current = await query(server, 'select pg_walfile_name(pg_switch_wal())');
    const source = join(dataDir, 'pg_wal');
    for (const name of readdirSync(source)) {
      const target = join(this.path, 'wal/main', name);
      const isSegment = isSegmentName(name);
      const complete = name.endsWith('.history') || (isSegment && name.slice(8) <= current.slice(8));
      if (!complete || existsSync(target) || existsSync(`${target}.gz`)) continue;
      const bytes = readFileSync(join(source, name));
      if (form === 'gz' && isSegment) writeFileSync(`${target}.gz`, gzipSync(bytes, { level: 1 }));
      else writeFileSync(target, bytes);
    }
    chmodSync(this.path, 0o755);
  }

  #walFiles(timeline: number, start: number, stop: number): FileSpec[] {
    return readdirSync(join(this.#dataDir, 'pg_wal'))
      .filter((name) => isSegmentName(name) || name === historyName(timeline))
      .map((name) => ({ name, content: readFileSync(join(this.#dataDir, 'pg_wal', name)) }))
      .filter(({ name, content }) => {
        if (!isSegmentName(name)) return true;
        const { number, timeline: own } = parseSegmentName(name, content.length);
        const needed =
          number >= Math.floor(start / content.length) && number <= Math.floor((stop - 1) / content.length);
        return needed && own === timeline;
      })
      .map(({ name, content }) => ({ path: `pg_wal/${name}`, content }));
  }
}

/** What a backup stores of a file: everything, or in a DELTA what changed since the parent (format page 6, 7.4). */
function fileSpec(file: LiveFile, alg: CompressAlg, parent: LiveBackup | undefined): FileSpec {
  const { path, content, mode, segno, database } = file;
  const keys = database === 0 ? {} : { dbOid: database };
  if (content === undefined) return { path, dir: true, mode };
  const before = parent?.files.find((other) => other.path === path)?.content;
  if (segno === undefined) {
    if (path === 'global/pg_control') return { path, content, mode, keys: { crc: pgControlCrc(content)! } };
    const always = path.endsWith('pg_filenode.map') || content.length === 0;
    if (before === undefined || always || !before.equals(content)) return { path, content, mode, keys };
    return { path, unchanged: 'raw', mode, keys: { ...keys, crc: crc32c(content), full_size: content.length } };
  }
  const nBlocks = Math.floor(content.length / BLCKSZ);
  if (nBlocks === 0) return { path, pages: [], mode, segno, alg, keys };
  const since = before === undefined ? 0 : parseLsnNumber(parent!.startLsn)!;
  const pages = Array.from({ length: nBlocks }, (_, block): [number, Buffer] => [
    block,
    content.subarray(block * BLCKSZ, (block + 1) * BLCKSZ),
  ]).filter(([, page]) => before === undefined || isZero(page) || lsnOf(page) >= since);
  if (pages.length === 0) return { path, unchanged: 'datafile', nBlocks, segno, mode, keys };
  return { path, pages, nBlocks, segno, alg, mode, keys };
}

function lsnOf(page: Buffer): number {
  return page.readUInt32LE(0) * 2 ** 32 + page.readUInt32LE(4);
}

function isZero(page: Buffer): boolean {
  return page.every((byte) => byte === 0);
}

async function dataChecksums(client: pg.Client): Promise<number> {
  return (await row(client, `select current_setting('data_checksums') = 'on'`))[0] === true ? 1 : 0;
}

function text(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')}+00`;
}

// biome-ignore lint/suspicious/noExplicitAny: columns of any type
async function row(client: pg.Client, sql: string): Promise<any[]> {
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  return rows[0] as unknown[];
}
