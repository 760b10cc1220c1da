// A verification drill: proves that a backup can be used, by using it. One backup: mount, recover, check, take away.

import type { BackupInfo } from '../../backup/index.js';
import { isoTime, type RecoveryTarget, type TimelineTarget } from '../../backup/wal/index.js';
import { PbkfsError } from '../../errors.js';
import { given } from '../../given.js';
import { readControlFile } from '../../postgres/control-file.js';
import { secondsSince } from '../../sys/stopwatch.js';
import { type Costs, costsOf } from '../costs.js';
import type { Guarded } from '../guarded.js';
import { superuserOf } from '../login.js';
import { ask, type Login } from '../query.js';
import { isIoError, refusedReads } from '../refused-reads.js';
import { closeSession, openSession, type Session, unmountSession } from '../session.js';
import type { SessionProgress } from '../session-request.js';
import { amcheck, connectableDatabases, invalidDatabases } from './amcheck.js';
import { type Finding, find, withProblems } from './finding.js';
import { pageCheck } from './page-check.js';
import { type SqlFile, sqlCheck } from './sql-check.js';

export interface DrillRequest {
  readonly catalog: string;
  readonly instance: string;
  /** Where it is missing: until the backup is consistent. */
  readonly target?: RecoveryTarget;
  readonly timeline: TimelineTarget;
  readonly amcheck: boolean;
  readonly checksums: boolean;
  readonly sql: readonly SqlFile[];
  /** Where the files of SQL are run. */
  readonly database: string;
  /** Connections and files at a time. */
  readonly jobs: number;
  readonly diffLimit?: number;
  readonly prefetch?: 'hot';
  readonly role?: string;
  readonly workDir?: string;
  readonly binDir?: string;
  readonly preload?: string;
  readonly force: boolean;
}

export interface Drilled extends Costs {
  readonly backupId: string;
  readonly mode: string;
  /** When the backup ended, ISO 8601; null where its control file does not say. */
  readonly backupEndTime: string | null;
  readonly passed: boolean;
  readonly findings: readonly Finding[];
  /** Of the server; null when none was started. */
  readonly serverVersion: string | null;
  readonly clusterBytes: number;
  readonly seconds: number;
}

/**
 * Never rejects because of the backup: whatever is wrong with it is a finding. All of it is gone when this ends.
 * @param guard of this backup alone; it is finished here
 * @throws PbkfsError usage; no_place where this host has no room for a drill
 */
export async function drill(
  request: DrillRequest,
  backup: BackupInfo,
  guard: Guarded,
  progress: SessionProgress,
): Promise<Drilled> {
  const began = performance.now();
  const since = Date.now();
  const findings: Finding[] = [];
  let session: Session | undefined;
  let login: Required<Login> = { role: '', database: '' };
  let unmade: unknown;
  const recovery = await find('recovery', async () => {
    session = await openSession(sessionOf(request, backup), guard, progress).catch((error) => {
      if (!isAboutBackup(error)) unmade = error;
      throw error;
    });
    login = await superuserOf(session.server.connection, backup, request.role);
    return recovered(session, login);
  });
  // After Ctrl-C everything under way fails; whoever interrupted it waits for the end of the process.
  if (guard.interrupted) await new Promise(() => undefined);
  if (unmade !== undefined) {
    await guard.finish();
    throw unmade;
  }
  findings.push(recovery);
  if (session !== undefined && recovery.passed) findings.push(...(await check(request, login, session, progress)));
  explain(findings, guard.mountpoint, since);
  if (guard.interrupted) await new Promise(() => undefined);
  let costs: Costs = { catalogBytes: 0, diffBytes: 0 };
  if (session !== undefined) {
    progress.step('taking it away');
    const open = session;
    const closing = await find('recovery', async () => {
      await (recovery.passed ? unmountSession(open) : closeSession(open));
      return 'unmounted';
    });
    if (!closing.passed && recovery.passed) findings.push(closing);
    costs = costsOf(open.diff);
  }
  if (guard.interrupted) await new Promise(() => undefined);
  await guard.finish();
  return {
    backupId: backup.id,
    mode: backup.mode ?? '',
    backupEndTime: backup.endTime === undefined ? null : isoTime(backup.endTime * 1e6),
    passed: findings.every(({ passed }) => passed),
    findings,
    serverVersion: session?.binaries.version ?? null,
    ...costs,
    clusterBytes: backup.pgdataBytes ?? 0,
    seconds: secondsSince(began),
  };
}

/** What the server was told was an I/O error; the mount knows of which backup, file and block. */
function explain(findings: Finding[], mountpoint: string | undefined, since: number): void {
  const at = findings.findIndex(({ problems }) => problems.some(isIoError));
  const said = at < 0 ? [] : refusedReads(mountpoint, since);
  if (said.length > 0)
    findings[at] = withProblems(
      findings[at]!,
      said.map((line) => `the mount says: ${line}`),
    );
}

function isAboutBackup(error: unknown): boolean {
  return !(error instanceof PbkfsError && (error.code === 'usage' || error.code === 'no_place'));
}

function sessionOf(request: DrillRequest, backup: BackupInfo): Parameters<typeof openSession>[0] {
  const { catalog, instance, target, timeline, force, workDir, binDir, preload, diffLimit, prefetch } = request;
  // A STREAM backup brings the WAL that makes it consistent.
  const wanted = target ?? (backup.stream ? undefined : ({ kind: 'immediate' } as const));
  return {
    catalog,
    instance,
    backupId: backup.id,
    ephemeral: true,
    force,
    settings: { autovacuum: 'off' },
    ...(wanted === undefined ? {} : { recovery: { target: wanted, timeline, action: 'promote' as const } }),
    ...given({ workDir, binDir, preload, diffLimit, prefetch }),
  };
}

/** How far recovery came; the time of the last transaction it replayed says how old the data are. */
const MOMENT = `select pg_current_wal_insert_lsn() || coalesce(' (last transaction ' ||
  to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || '+00)', '')`;

/** The server runs; every database of it must let us in. */
async function recovered({ server, binaries }: Session, login: Required<Login>): Promise<string> {
  const databases = await connectableDatabases(server.connection, login);
  for (const database of databases) {
    await ask(server.connection, 'select count(*) from pg_class', { ...login, database });
  }
  const [moment] = await ask(server.connection, MOMENT, login);
  const invalid = await invalidDatabases(server.connection, login);
  const leftOut =
    invalid.length === 0 ? '' : ` (not ${invalid.join(', ')}: an interrupted DROP DATABASE left it invalid)`;
  return `PostgreSQL ${binaries.version} recovered to ${moment}, ${databases.length} databases${leftOut}`;
}

/** What was asked for, one after the other; the server is stopped in order after its checks. */
async function check(
  request: DrillRequest,
  login: Required<Login>,
  { server, binaries, mountpoint }: Session,
  progress: SessionProgress,
): Promise<Finding[]> {
  const { connection } = server;
  const { jobs } = request;
  const findings: Finding[] = [];
  if (request.amcheck) {
    progress.step('checking tables and indexes');
    const options = { server: connection, login, major: binaries.major, jobs, progress: progress.detail };
    findings.push(await find('amcheck', (problems) => amcheck(options, problems)));
  }
  for (const file of request.sql) {
    progress.step(`running ${file.path}`);
    const there = { ...login, database: request.database };
    findings.push(await find('sql', (problems) => sqlCheck(connection, there, file, problems)));
  }
  progress.step('stopping the server');
  const stopped = await find('recovery', async () => {
    await server.stop('fast');
    return 'stopped';
  });
  if (!stopped.passed) return [...findings, stopped];
  if (request.checksums) {
    progress.step('checking page checksums');
    findings.push(
      await find('checksums', async (problems) => {
        if (!(await readControlFile(mountpoint)).checksums) return { skipped: 'the cluster has no page checksums' };
        const seen = (bytes: number): void => progress.detail(`${Math.floor(bytes / 2 ** 20)} MiB`);
        return pageCheck(mountpoint, jobs, seen, problems);
      }),
    );
  }
  return findings;
}
