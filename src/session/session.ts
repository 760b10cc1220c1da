// A mount with a server on it, from options to a server that stands at its target, and all of it away again.

import { type BackupInfo, openCatalog, passedOverWarning, resolveChain } from '../backup/index.js';
import { given } from '../given.js';
import { findDiffToMount } from '../mount/diff/diff-directory.js';
import { openRemembered } from '../mount/diff/remembered-catalog.js';
import { findServers } from '../mount/orphaned-server.js';
import { unmount } from '../mount/unmount/unmount.js';
import { forgetDeadServer } from '../postgres/dead-server.js';
import { findServer, type ServerBinaries } from '../postgres/find-server.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';
import type { PostgresServer } from '../postgres/server.js';
import { type ServerUser, serverUser } from '../postgres/server-user.js';
import { isMountPoint, mountOn } from '../sys/mountinfo.js';
import type { Guarded } from './guarded.js';
import { mountBackup } from './mount-backup.js';
import { configuredTarget, replaysBackup } from './mounted-recovery.js';
import type { Paused } from './paused.js';
import { existingMount, newPlace } from './place.js';
import { NO_REPLAY, planReplay } from './replay-plan.js';
import { cleanUpAbandoned } from './session-record.js';
import type { SessionProgress, SessionRequest } from './session-request.js';
import { startOnMount } from './start-on-mount.js';
import { makeTablespaceDirectories } from './tablespaces.js';

export interface Session {
  readonly server: PostgresServer;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  readonly mountpoint: string;
  readonly diff: string;
  readonly backup: BackupInfo;
  /** It stands at its recovery target as a read-only standby. */
  readonly paused: false | Paused;
  /** This session has mounted it. */
  readonly mounted: boolean;
  /** Those of the backup, which are not mounted, where this session has mounted it. */
  readonly externalDirectories: readonly string[];
  /** Directories to remove once server and mount are gone. */
  readonly temporary: readonly string[];
}

/** All WAL of the backup's timeline, then on as a server of its own. */
const ARCHIVE_RECOVERY: RecoveryConfig = { target: { kind: 'latest' }, timeline: 'current', action: 'promote' };

/**
 * Mounts, starts, and waits until the server has reached its target.
 * @param guard is told of everything before it is made
 * @throws PbkfsError; what is made by then is for the guard to take away
 */
export async function openSession(
  request: SessionRequest,
  guard: Guarded,
  progress: SessionProgress,
): Promise<Session> {
  const user = serverUser();
  const context = { request, user, guard, progress };
  await takeAwayAbandoned(progress);
  const existing = request.mountpoint !== undefined && isMountPoint(request.mountpoint);
  const place = existing ? existingMount(request) : await newPlace(request, user, guard);
  const { mountpoint, diff, temporary } = place;
  const isRemembered = !existing && request.catalog === undefined;
  const catalog = isRemembered ? openRemembered(place.catalog) : openCatalog(place.catalog);
  const chain = resolveChain(catalog, place.instance, place.backupId, { force: request.force });
  const { target, instance } = chain;
  for (const warning of passedOverWarning(chain)) progress.warn(warning);
  const binaries = serverFor(target.serverVersion, request, user, progress);
  request.chosen?.(binaries);
  const { databases } = request;
  const replaying = { catalog, instance, backup: target, mountpoint, binaries, user, databases };
  // What is in a diff goes on where it was, unless it is told otherwise.
  const resumed = existing || (findDiffToMount(diff).kind === 'bound' && request.recovery === undefined);
  let recovery = resumed ? undefined : (request.recovery ?? (target.stream ? undefined : ARCHIVE_RECOVERY));
  let plan = NO_REPLAY;
  if (!resumed) {
    plan = planReplay(replaying, recovery, false, progress);
    recovery = recovery && { ...recovery, ...plan.earlier };
  }
  const externalDirectories = existing ? [] : await mountBackup(context, place, chain, recovery);
  if (!isServed(mountpoint)) forgetDeadServer(mountpoint);
  if (resumed && (await replaysBackup(mountpoint, target)))
    plan = planReplay(replaying, configuredTarget(mountpoint), true, progress);
  await guard.add({ dataDir: mountpoint });
  makeTablespaceDirectories(plan.bindings, user);
  for (const { path } of plan.bindings)
    progress.warn(`the WAL creates a tablespace in ${path}: on this mount it is kept in the diff`);
  const ground = { dataDir: mountpoint, backup: target, existing, plan, binaries };
  const { server, paused } = await startOnMount(context, ground);
  const mounted = { mountpoint, diff, backup: target, mounted: !existing, externalDirectories };
  return { server, binaries, user, paused, ...mounted, temporary };
}

/** Whether any process of a server, also one whose postmaster was killed, sits on the mount. */
function isServed(mountpoint: string): boolean {
  const mount = mountOn(mountpoint);
  return mount === undefined || findServers(mount).length > 0;
}

/** The server of the backup's major version. @throws PbkfsError server_failed where there is none */
function serverFor(
  version: string | undefined,
  { binDir }: SessionRequest,
  user: ServerUser,
  progress: SessionProgress,
): ServerBinaries {
  const major = Number.parseInt(version ?? '', 10);
  const binaries = findServer({ major, user, ...given({ binDir }) });
  if (binaries.source === 'npm') {
    progress.warn(
      'the server comes from an npm package: its collations may sort otherwise than where the backup was made, so do not trust text indexes',
    );
  }
  return binaries;
}

/** A session that was killed with its guard has nobody else who cleans up after it. */
async function takeAwayAbandoned(progress: SessionProgress): Promise<void> {
  try {
    for (const { paths, left } of await cleanUpAbandoned()) {
      progress.warn(`took away what a killed session had left: ${paths.join(', ')}`);
      for (const path of left) progress.warn(`left ${path} of a killed session: it may have been used since`);
    }
  } catch (error) {
    progress.warn(`a killed session has left what cannot be taken away: ${(error as Error).message}`);
  }
}

/** The clean end: the server in order, then the mount; temporary directories are left to the guard. */
export async function closeSession(session: Session): Promise<void> {
  await session.server.stop('fast');
  await unmountSession(session);
}

/** The guard waits for longer. */
const STOP_TIMEOUT_MS = 10_000;

/** What keeps the process of a mount that is off its directory, as a container may that has a copy of it, is the guard's. */
export async function unmountSession({ mounted, mountpoint }: Session): Promise<void> {
  if (!mounted) return;
  try {
    await unmount(mountpoint, { stopTimeout: STOP_TIMEOUT_MS });
  } catch (error) {
    if (isMountPoint(mountpoint)) throw error;
  }
}
