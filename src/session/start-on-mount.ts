// The server of a session: started on the mount, until it stands at its target.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupInfo } from '../backup/index.js';
import { given } from '../given.js';
import type { ServerBinaries } from '../postgres/find-server.js';
import { memorySettings } from '../postgres/memory.js';
import type { PostgresServer } from '../postgres/server.js';
import { type StartOptions, startServer } from '../postgres/start-server.js';
import { identityOf } from '../sys/process-identity.js';
import { superuserOf } from './login.js';
import { isRecovering, isStandby, pausesAtTarget } from './mounted-recovery.js';
import { type Paused, untilPaused } from './paused.js';
import type { ReplayPlan } from './replay-plan.js';
import { explainFailure } from './server-trouble.js';
import type { SessionContext, SessionProgress } from './session-request.js';
import { hasInPlace } from './tablespaces.js';
import { dropUnknownSettings } from './unknown-settings.js';

/** What it is started on. */
export interface Ground {
  /** The mount point. */
  readonly dataDir: string;
  readonly backup: BackupInfo;
  /** Somebody else has made the mount, and its settings are theirs. */
  readonly existing: boolean;
  readonly plan: ReplayPlan;
  readonly binaries: ServerBinaries;
}

export interface Started {
  readonly server: PostgresServer;
  /** It stands at its recovery target as a read-only standby. */
  readonly paused: false | Paused;
}

/** @throws PbkfsError server_failed, with what this host lacks where the server says so */
export async function startOnMount(
  { request, user, guard, progress }: SessionContext,
  { dataDir, backup, existing, plan, binaries }: Ground,
): Promise<Started> {
  const { major } = binaries;
  progress.step(`starting PostgreSQL ${binaries.version}`);
  const recovering = isRecovering(dataDir);
  const standby = isStandby(dataDir);
  const pauses = recovering && pausesAtTarget(dataDir);
  const ephemeral = request.ephemeral ? EPHEMERAL : {};
  // A mount of ours is synced: the walk over all files at the start would find nothing to do.
  const synced = major >= 14 && !existing ? { recovery_init_sync_method: 'syncfs' } : {};
  const inPlace = plan.inPlace || hasInPlace(dataDir) ? { allow_in_place_tablespaces: 'on' } : {};
  const { restoreCommand, bindings } = plan;
  if (!/\bptrack\b/.test(request.preload ?? '')) dropPtrackMap(dataDir);
  let known: number | undefined;
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
      if (running.pid !== known) {
        const found = identityOf(running.pid ?? 0);
        if (found !== undefined) void guard.add({ server: found });
        known = running.pid;
      }
      progress.detail(running.replaying() ?? '');
    },
  };
  // On a mount that is there already, the settings are its owner's.
  const server = await (existing ? startServer(options) : startAsBuilt(options, progress)).catch((error: unknown) => {
    throw explainFailure(error, major);
  });
  const paused =
    pauses && !standby
      ? await untilPaused(server, await superuserOf(server.connection, backup, undefined), progress)
      : false;
  return { server, paused };
}

/** Without the settings of the backup that another build made sense of. */
async function startAsBuilt(options: StartOptions, progress: SessionProgress): Promise<PostgresServer> {
  for (;;) {
    try {
      return await startServer(options);
    } catch (error) {
      const dropped = dropUnknownSettings(error, options.dataDir);
      if (dropped.length === 0) throw error;
      progress.warn(
        `this server does not know settings of the backup's postgresql.auto.conf, or their values: ${dropped.join(', ')}`,
      );
    }
  }
}

/**
 * What a server without ptrack changes is not in ptrack's map. Left in place, that would count as complete: a PTRACK backup
 * of an export would lack the changes. Without a map pg_probackup asks for a backup of another mode first.
 */
function dropPtrackMap(dataDir: string): void {
  rmSync(join(dataDir, 'global/ptrack.map'), { force: true });
}

/** Nothing outlives it, so nothing is synced, and WAL takes the room it needs: no segments of zeros, none kept for later. */
const EPHEMERAL = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_init_zero: 'off',
  wal_recycle: 'off',
};
