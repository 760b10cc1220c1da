// Rescue: from a backup and a moment to a dump of a few tables, by a throw-away server on a throw-away mount.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, lstatSync, renameSync, statSync } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isoTime, type RecoveryTarget, type TimelineTarget } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { existingPart } from '../sys/existing-part.js';
import { makeDirectories } from '../sys/make-directories.js';
import { checkReplaceable } from '../sys/ordinary-file.js';
import { secondsSince } from '../sys/stopwatch.js';
import { withChildren } from './children.js';
import { chooseBackup } from './choose-backup.js';
import { type CopyFormat, copyOut } from './copy-out.js';
import { type Costs, costsOf } from './costs.js';
import type { Guarded } from './guarded.js';
import { superuserOf } from './login.js';
import { findPgDump, runPgDump } from './pg-dump.js';
import { ask, type Login } from './query.js';
import { closeSession, openSession, type Session } from './session.js';
import type { SessionProgress } from './session-request.js';
import type { TableName } from './table-name.js';

export type RescueFormat = 'custom' | 'plain' | 'csv' | 'copy';

export interface RescueRequest {
  readonly catalog: string;
  readonly instance: string;
  /** The newest backup that is consistent before the target time where it is missing. */
  readonly backupId?: string;
  /** The end of the backup where it is missing. */
  readonly target?: RecoveryTarget;
  readonly timeline: TimelineTarget;
  readonly inclusive?: boolean;
  readonly tables: readonly TableName[];
  /** Whole, or where the query is asked. */
  readonly database?: string;
  readonly query?: string;
  readonly format?: RescueFormat;
  /** A file; with several files to write a directory. */
  readonly output: string;
  readonly role?: string;
  readonly workDir?: string;
  readonly binDir?: string;
  readonly preload?: string;
  readonly diffLimit?: number;
  readonly prefetch?: 'hot';
  readonly force: boolean;
}

export interface Rescued extends Costs {
  readonly backupId: string;
  /** The target, if it was a time: ISO 8601, UTC. */
  readonly targetTime?: string;
  readonly format: RescueFormat;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** Size of the backed-up cluster. */
  readonly clusterBytes: number;
  readonly seconds: number;
}

/** @throws PbkfsError; the output is written whole or not at all */
export async function rescue(request: RescueRequest, guard: Guarded, progress: SessionProgress): Promise<Rescued> {
  const began = performance.now();
  mustBeWritable(request.output);
  const { catalog, instance, workDir, binDir, preload, diffLimit, prefetch } = request;
  const backup = chooseBackup(request);
  const target = request.target ?? { kind: 'immediate' };
  const databases = new Set(request.tables.map((table) => table.database));
  if (request.database !== undefined) databases.add(request.database);
  const session = await openSession(
    {
      catalog,
      instance,
      backupId: backup.id,
      databases: [...databases],
      ephemeral: true,
      force: request.force,
      // Paused at the target, the server is a standby: reading sets no hint bits there, so that the diff stays small.
      recovery: {
        target,
        timeline: request.timeline,
        action: target.kind === 'latest' ? 'promote' : 'pause',
        ...(request.inclusive === undefined ? {} : { inclusive: request.inclusive }),
      },
      settings: { autovacuum: 'off', max_parallel_workers_per_gather: '0' },
      ...given({ workDir, binDir, preload, diffLimit, prefetch }),
    },
    guard,
    progress,
  );
  const login = await superuserOf(session.server.connection, backup, request.role);
  await promoteWhenLocked(session, login, databases, progress);
  const { role } = login;
  const { format, jobs } = plan(request, findPgDump(session.binaries));
  const finished: [from: string, to: string][] = [];
  for (const job of jobs) {
    progress.step(`writing ${basename(job.path)}`);
    makeDirectories(dirname(job.path));
    // Another rescue may write the same output at the same time: the last one to end replaces it, whole.
    const unfinished = `${job.path}.${randomBytes(4).toString('hex')}.pbkfs-part`;
    await guard.add({ remove: [unfinished] });
    // What is in it may be for few eyes, whichever program writes it.
    await writeFile(unfinished, '', { mode: 0o600, flag: 'wx' });
    await job.run(session, role, unfinished);
    finished.push([unfinished, job.path]);
  }
  for (const [from, to] of finished) renameSync(from, to);
  progress.step('stopping');
  try {
    await closeSession(session);
  } catch (error) {
    // What was asked for is there; the guard goes on with the rest.
    progress.warn(`the output is complete, but what made it does not end: ${(error as Error).message}`);
  }
  const { catalogBytes, diffBytes } = costsOf(session.diff);
  const files = finished.map(([, path]) => ({ path, bytes: lstatSync(path).size }));
  const clusterBytes = backup.pgdataBytes ?? 0;
  const seconds = secondsSince(began);
  const targetTime = target.kind === 'time' ? isoTime(target.time) : undefined;
  return {
    backupId: backup.id,
    ...given({ targetTime }),
    format,
    files,
    catalogBytes,
    diffBytes,
    clusterBytes,
    seconds,
  };
}

/**
 * At a target just before the commit of a DROP TABLE, the paused standby holds that transaction's lock on the table, and
 * every reader would wait for ever. The end of recovery aborts the transaction.
 */
async function promoteWhenLocked(
  { server }: Session,
  login: Login,
  databases: ReadonlySet<string>,
  progress: SessionProgress,
): Promise<void> {
  // A table that is just being made is locked too, and nobody sees it yet.
  const locked = `select pg_is_in_recovery() and exists (
    select from pg_locks l join pg_class c on c.oid = l.relation
    where l.database in (0, (select oid from pg_database where datname = current_database()))
      and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock' and l.granted)`;
  let waits = false;
  for (const database of databases)
    waits ||= (await ask(server.connection, locked, { ...login, database }))[0] === true;
  if (!waits) return;
  progress.step('ending recovery: a transaction under way at the target has locked a table');
  await ask(server.connection, 'select pg_wal_replay_resume()', login);
  while ((await ask(server.connection, 'select pg_is_in_recovery()', login))[0] !== false) await sleep(POLL_MS);
}

const POLL_MS = 50;

interface Job {
  readonly path: string;
  /** @param file is there, and empty */
  run(session: Session, role: string, file: string): Promise<void>;
}

/** What to write where. @throws PbkfsError usage, before anything is written; server_failed without a pg_dump */
function plan(request: RescueRequest, pgDump: string | undefined): { format: RescueFormat; jobs: Job[] } {
  const { query, tables, database, output } = request;
  const format = request.format ?? (query !== undefined ? 'csv' : pgDump === undefined ? 'copy' : 'custom');
  if (query !== undefined) {
    const copied = format as CopyFormat;
    const login = database!;
    const run: Job['run'] = ({ server }, role, file) =>
      copyOut(server.connection, { role, database: login }, query, copied, file);
    return { format, jobs: [{ path: output, run }] };
  }
  if (format === 'csv' || format === 'copy') {
    const path = (table: TableName): string =>
      tables.length === 1 && !isDirectory(output)
        ? output
        : join(output, `${table.database}.${table.schema}.${table.table}.${format}`.replaceAll('/', '_'));
    const jobs = tables.map(
      (table): Job => ({
        path: path(table),
        run: ({ server }, role, file) =>
          copyOut(server.connection, { role, database: table.database }, table, format, file),
      }),
    );
    return { format, jobs };
  }
  const databases = tables.length === 0 ? [database!] : [...new Set(tables.map((table) => table.database))];
  const jobs = databases.map((name): Job => {
    const own = tables.filter((table) => table.database === name);
    const path =
      databases.length === 1 && !isDirectory(output)
        ? output
        : join(output, `${name.replaceAll('/', '_')}.${format === 'custom' ? 'dump' : 'sql'}`);
    return { path, run: (session, role, file) => dump(session, role, name, own, format, file, pgDump) };
  });
  if (pgDump === undefined && (format === 'custom' || tables.length === 0)) {
    throw new PbkfsError('server_failed', 'no pg_dump of the right version was found', {
      hint: 'install the client programs (Debian: postgresql-client-N), or take tables with --format copy, csv or plain',
    });
  }
  return { format, jobs };
}

async function dump(
  session: Session,
  role: string,
  database: string,
  tables: readonly TableName[],
  format: 'custom' | 'plain',
  file: string,
  pgDump: string | undefined,
): Promise<void> {
  const server = session.server.connection;
  if (pgDump !== undefined) {
    const all = tables.length === 0 ? [] : await withChildren(server, { role, database }, tables);
    return runPgDump(pgDump, { server, role, database, tables: all, format, file });
  }
  await appendFile(file, `-- rows only: no pg_dump of PostgreSQL ${session.binaries.major} was found on this host\n\n`);
  for (const table of tables) await copyOut(server, { role, database }, table, 'script', file);
}

/** Nobody shall wait for a recovery whose result has no place. @throws PbkfsError usage */
function mustBeWritable(output: string): void {
  if (!isDirectory(output)) {
    checkReplaceable(output, 'give a new file, or a directory: the output comes whole or not at all');
  }
  // What is missing will be made.
  const place = existingPart(isDirectory(output) ? output : dirname(output)).there;
  const hint = 'give a file, or a directory, where this user may write';
  if (!statSync(place).isDirectory()) {
    throw new PbkfsError('usage', `cannot write ${output}: ${place} is not a directory`, { hint });
  }
  try {
    accessSync(place, constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new PbkfsError('usage', `cannot write ${output}: ${code} for ${place}`, { hint, cause });
  }
}

function isDirectory(path: string): boolean {
  return path.endsWith('/') || (existsSync(path) && statSync(path).isDirectory());
}
