// A mount with a server on it, from options to a server that stands at its target, and all of it away again.

import { openCatalog, passedOverWarning, resolveChain } from '../backup/index.js';
import { counted } from '../counted.js';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { launchMount } from '../mount/daemon.js';
import { inspectDiff } from '../mount/diff-directory.js';
import { unmount } from '../mount/unmount.js';
import { forgetDeadServer } from '../postgres/dead-server.js';
import { findServer, type ServerBinaries } from '../postgres/find-server.js';
import { memorySettings } from '../postgres/memory.js';
import type { PathBinding } from '../postgres/private-namespace.js';
import { reachableTempDir, socketTempDir } from '../postgres/reachable.js';
import { MOUNT_RESTORE_COMMAND, type RecoveryConfig } from '../postgres/recovery-config.js';
import { type PostgresServer, type StartOptions, startServer } from '../postgres/server.js';
import { type ServerUser, serverUser } from '../postgres/server-user.js';
import { isMountPoint } from '../sys/mountinfo.js';
import { identityOf } from '../sys/process-identity.js';
import { beforeDrop } from './before-drop.js';
import type { Guarded } from './guarded.js';
import { superuserOf } from './login.js';
import { configuredTarget, isRecovering, isStandby, pausesAtTarget, replaysBackup } from './mounted-recovery.js';
import { type Paused, untilPaused } from './paused.js';
import { existingMount, newPlace } from './place.js';
import { checkReplay, type ReplayTarget } from './replay-check.js';
import { explainFailure } from './server-trouble.js';
import { cleanUpAbandoned } from './session-record.js';
import { bindingsFor, hasInPlace, makeDirectories } from './tablespaces.js';
import { dropUnknownSettings } from './unknown-settings.js';

export interface SessionRequest {
  readonly catalog?: string;
  readonly instance?: string;
  readonly backupId?: string;
  /** An empty directory, or a mount that is there; one is made where it is missing. */
  readonly mountpoint?: string;
  /** Where it is missing, one is made and removed at the end. */
  readonly diff?: string;
  /** Below which directory temporary ones are made. */
  readonly workDir?: string;
  /** Nothing that is written is wanted afterwards. */
  readonly ephemeral: boolean;
  readonly recovery?: RecoveryConfig;
  /** Databases that are wanted, whatever becomes of the others. */
  readonly databases?: readonly string[];
  readonly binDir?: string;
  readonly port?: number;
  readonly socketDir?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly preload?: string;
  /** What to read ahead through a mount that is made. */
  readonly prefetch?: 'hot';
  /** Let the kernel read and write new files by itself. */
  readonly passthrough?: boolean;
  /** Keep processors from sleeping while there is work. */
  readonly lowLatency?: boolean;
  /** Where pg_wal of a new mount is to lie. */
  readonly walDir?: string;
  /** Bytes the diff may take. */
  readonly diffLimit?: number;
  readonly force: boolean;
}

/** Says what is being done, and how far it is. */
export interface SessionProgress {
  step(text: string): void;
  detail(text: string): void;
  warn(text: string): void;
}

export interface Session {
  readonly server: PostgresServer;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  readonly mountpoint: string;
  readonly diff: string;
  readonly backupId: string;
  /** It stands at its recovery target as a read-only standby. */
  readonly paused: false | Paused;
  /** This session has mounted it. */
  readonly mounted: boolean;
  /** Those of the backup, which are not mounted, where this session has mounted it. */
  readonly externalDirectories: readonly string[];
  /** Directories to remove once server and mount are gone. */
  readonly temporary: readonly string[];
}

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
  await takeAwayAbandoned(progress);
  const existing = request.mountpoint !== undefined && isMountPoint(request.mountpoint);
  const place = existing ? existingMount(request) : await newPlace(request, user, guard);
  const catalog = openCatalog(place.catalog);
  const chain = resolveChain(catalog, place.instance, place.backupId, { force: request.force });
  const { target } = chain;
  for (const warning of passedOverWarning(chain)) progress.warn(warning);
  const major = Number.parseInt(target.serverVersion ?? '', 10);
  const binaries = findServer({ major, user, ...given({ binDir: request.binDir }) });
  if (binaries.source === 'npm') {
    progress.warn(
      'the server comes from an npm package: its collations may sort otherwise than where the backup was made, so do not trust text indexes',
    );
  }
  // What is in a diff goes on where it was, unless it is told otherwise.
  const resumed = existing || (inspectDiff(place.diff).kind === 'bound' && request.recovery === undefined);
  let recovery = resumed ? undefined : (request.recovery ?? (target.stream ? undefined : ARCHIVE_RECOVERY));
  let restoreCommand = MOUNT_RESTORE_COMMAND;
  let bindings: readonly PathBinding[] = [];
  let external: readonly string[] = [];
  let replaysInPlace = false;
  const lookThrough = (replayed: ReplayTarget | undefined): void => {
    progress.step(`looking through the WAL that backup ${target.id} needs`);
    const seen = (count: number): void => progress.detail(counted(count, 'segment'));
    const replay = checkReplay(catalog, chain.instance, target, replayed, seen);
    restoreCommand = replay.restoreCommand;
    replaysInPlace = replay.inPlace;
    if (replay.gap !== undefined) progress.warn(`recovery ends at a gap of the WAL archive: ${replay.gap}`);
    recovery = beforeDrop(replay, recovery, request.databases, progress.warn);
    const needed = [binaries.binDir, reachableTempDir(user), socketTempDir(user)];
    bindings = bindingsFor(replay.tablespaces, place.mountpoint, needed);
  };
  if (!resumed) lookThrough(recovery);
  if (!existing) {
    progress.step(`mounting backup ${target.id} of ${chain.instance}`);
    const info = await launchMount({
      catalog: place.catalog,
      instance: chain.instance,
      backupId: target.id,
      mountpoint: place.mountpoint,
      diff: place.diff,
      uid: user.uid,
      gid: user.gid,
      force: request.force,
      afterPowerLoss: false,
      materializeOnRead: false,
      ...given({ recovery, diffLimit: request.diffLimit, prefetch: request.prefetch }),
      ...given({ passthrough: request.passthrough, lowLatency: request.lowLatency, walDir: request.walDir }),
    }).catch((error: unknown) => {
      throw place.temporary.includes(place.diff) || request.diff === undefined ? withoutRoom(error, place.diff) : error;
    });
    for (const warning of info.warnings) progress.warn(warning);
    external = info.externalDirectories;
    const mount = identityOf(info.pid);
    if (mount !== undefined) await guard.add({ mount });
    forgetDeadServer(place.mountpoint);
  }
  const dataDir = place.mountpoint;
  if (resumed && (await replaysBackup(dataDir, target))) lookThrough(configuredTarget(dataDir));
  await guard.add({ dataDir });
  makeDirectories(bindings, user);
  for (const { path } of bindings)
    progress.warn(`the WAL creates a tablespace in ${path}: on this mount it is kept in the diff`);
  progress.step(`starting PostgreSQL ${binaries.version}`);
  const recovering = isRecovering(dataDir);
  const standby = isStandby(dataDir);
  const pauses = recovering && pausesAtTarget(dataDir);
  const ephemeral = request.ephemeral ? EPHEMERAL : {};
  // A mount of ours is synced: the walk over all files at the start would find nothing to do.
  const synced = major >= 14 && !existing ? { recovery_init_sync_method: 'syncfs' } : {};
  const inPlace = replaysInPlace || hasInPlace(dataDir) ? { allow_in_place_tablespaces: 'on' } : {};
  let known = false;
  const options: StartOptions = {
    dataDir,
    binaries,
    user,
    settings: { ...memorySettings(), ...synced, ...inPlace, ...ephemeral, ...request.settings },
    ...(recovering ? { recovery: { target: 'configured', restoreCommand, hotStandby: pauses || standby } } : {}),
    bindings,
    ...given({ port: request.port, socketDir: request.socketDir, preload: request.preload }),
    // Replay takes as long as it takes; whoever waits sees how far it is.
    startTimeout: Number.POSITIVE_INFINITY,
    starting: (privateDir) => guard.add({ remove: [privateDir] }),
    waiting: (running) => {
      const found = known ? undefined : identityOf(running.pid ?? 0);
      if (found !== undefined) void guard.add({ server: found });
      known = true;
      progress.detail(running.replaying() ?? '');
    },
  };
  const server = await startServer(options)
    .catch((error: unknown) => {
      // On a mount that is there already, the settings are its owner's.
      const dropped = existing ? [] : dropUnknownSettings(error, dataDir);
      if (dropped.length === 0) throw error;
      progress.warn(`this server does not know settings of the backup's postgresql.auto.conf: ${dropped.join(', ')}`);
      return startServer(options);
    })
    .catch((error: unknown) => {
      throw explainFailure(error, major);
    });
  const paused =
    pauses && !standby
      ? await untilPaused(server, await superuserOf(server.connection, target, undefined), progress)
      : false;
  const { mountpoint, diff, temporary } = place;
  const mounted = { mountpoint, diff, backupId: target.id, mounted: !existing, externalDirectories: external };
  return { server, binaries, user, paused, ...mounted, temporary };
}

/** Of a diff that is gone by the time somebody reads this. */
function withoutRoom(error: unknown, diff: string): unknown {
  const full = error instanceof PbkfsError && (error.code === 'diff_full' || error.message.startsWith('ENOSPC'));
  if (!full) return error;
  return new PbkfsError('diff_full', `no room for a temporary diff: ${diff}`, {
    hint: 'it is gone again: make room, or name another place (--work-dir, for start -d or TMPDIR)',
    cause: error,
  });
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
export async function closeSession({ server, mounted, mountpoint }: Session): Promise<void> {
  await server.stop('fast');
  if (mounted) await unmount(mountpoint);
}

/** Nothing outlives it, so nothing is synced, and WAL takes the room it needs: no segments of zeros, none kept for later. */
const EPHEMERAL = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_init_zero: 'off',
  wal_recycle: 'off',
};
const ARCHIVE_RECOVERY: RecoveryConfig = { target: { kind: 'latest' }, timeline: 'current', action: 'promote' };
