// Rescue: from a backup and a moment to a dump of a few tables, by a throw-away server on a throw-away mount.

import { randomBytes } from 'node:crypto';
import { accessSync, constants, lstatSync, renameSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isoTime, type RecoveryTarget, type TimelineTarget } from '../backup/wal/index.js';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import type { ServerBinaries } from '../postgres/find-server.js';
import { existingPart } from '../sys/existing-part.js';
import { makeDirectories } from '../sys/make-directories.js';
import { checkReplaceable } from '../sys/ordinary-file.js';
import { secondsSince } from '../sys/stopwatch.js';
import { chooseBackup } from './choose-backup.js';
import { type Costs, costsOf } from './costs.js';
import type { Guarded } from './guarded.js';
import { superuserOf } from './login.js';
import { findPgDump } from './pg-dump.js';
import { ask, type Login } from './query.js';
import { isDirectory, type Job, planRescue, type RescueFormat, type RescuePlan, type Wanted } from './rescue-plan.js';
import { closeSession, openSession, type Session } from './session.js';
import type { SessionProgress, SessionRequest } from './session-request.js';

export interface RescueRequest extends Wanted {
  readonly catalog: string;
  readonly instance: string;
  /** The newest backup that is consistent before the target time where it is missing. */
  readonly backupId?: string;
  /** The end of the backup where it is missing. */
  readonly target?: RecoveryTarget;
  readonly timeline: TimelineTarget;
  readonly inclusive?: boolean;
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
  const backup = chooseBackup(request);
  const target = request.target ?? { kind: 'immediate' };
  const databases = new Set(request.tables.map((table) => table.database));
  if (request.database !== undefined) databases.add(request.database);
  let plan: RescuePlan | undefined;
  const chosen = (binaries: ServerBinaries): void => {
    plan = planRescue(request, findPgDump(binaries));
    for (const { path } of plan.jobs) mustBeWritable(path);
  };
  const wanted = sessionOf(request, backup.id, target, [...databases]);
  const session = await openSession({ ...wanted, chosen }, guard, progress);
  const login = await superuserOf(session.server.connection, backup, request.role);
  await promoteWhenLocked(session, login, databases, progress);
  const { format, jobs } = plan!;
  await write(jobs, session, login, guard, progress);
  progress.step('stopping');
  try {
    await closeSession(session);
  } catch (error) {
    // What was asked for is there; the guard goes on with the rest.
    progress.warn(`the output is complete, but what made it does not end: ${(error as Error).message}`);
  }
  const { catalogBytes, diffBytes } = costsOf(session.diff);
  return {
    backupId: backup.id,
    ...(target.kind === 'time' ? { targetTime: isoTime(target.time) } : {}),
    format,
    files: jobs.map(({ path }) => ({ path, bytes: lstatSync(path).size })),
    catalogBytes,
    diffBytes,
    clusterBytes: backup.pgdataBytes ?? 0,
    seconds: secondsSince(began),
  };
}

function sessionOf(
  request: RescueRequest,
  backupId: string,
  target: RecoveryTarget,
  databases: readonly string[],
): SessionRequest {
  const { catalog, instance, timeline, inclusive, workDir, binDir, preload, diffLimit, prefetch, force } = request;
  // Paused at the target, the server is a standby: reading sets no hint bits there, so that the diff stays small.
  const action = target.kind === 'latest' ? 'promote' : 'pause';
  return {
    ...{ catalog, instance, backupId, databases, force },
    ephemeral: true,
    recovery: { target, timeline, action, ...given({ inclusive }) },
    settings: { autovacuum: 'off', max_parallel_workers_per_gather: '0' },
    ...given({ workDir, binDir, preload, diffLimit, prefetch }),
  };
}

/** All files whole, or none. */
async function write(
  jobs: readonly Job[],
  session: Session,
  { role }: Required<Login>,
  guard: Guarded,
  progress: SessionProgress,
): Promise<void> {
  const finished: [from: string, to: string][] = [];
  for (const { path, run } of jobs) {
    progress.step(`writing ${basename(path)}`);
    makeDirectories(dirname(path));
    // Another rescue may write the same output at the same time: the last one to end replaces it, whole.
    const unfinished = `${path}.${randomBytes(4).toString('hex')}.pbkfs-part`;
    await guard.add({ remove: [unfinished] });
    // What is in it may be for few eyes, whichever program writes it.
    await writeFile(unfinished, '', { mode: 0o600, flag: 'wx' });
    await run(session, role, unfinished);
    finished.push([unfinished, path]);
  }
  for (const [from, to] of finished) renameSync(from, to);
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
