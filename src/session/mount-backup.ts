// The mount of a session: made in its place, and told to the guard.

import type { Chain } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import { given } from '../given.js';
import { launchMount } from '../mount/daemon.js';
import type { RecoveryConfig } from '../postgres/recovery-config.js';
import type { ServerUser } from '../postgres/server-user.js';
import { identityOf } from '../sys/process-identity.js';
import type { Guarded } from './guarded.js';
import type { Place } from './place.js';
import type { SessionProgress, SessionRequest } from './session-request.js';

/**
 * @param recovery what the mount is to write for the server; undefined: what it does by itself
 * @returns the external directories of the backup, which are not mounted
 * @throws PbkfsError of the mount
 */
export async function mountBackup(
  request: SessionRequest,
  place: Place,
  { instance, target }: Chain,
  recovery: RecoveryConfig | undefined,
  user: ServerUser,
  guard: Guarded,
  progress: SessionProgress,
): Promise<readonly string[]> {
  progress.step(`mounting backup ${target.id} of ${instance}`);
  const info = await launchMount({
    catalog: place.catalog,
    instance,
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
  const mount = identityOf(info.pid);
  if (mount !== undefined) await guard.add({ mount });
  return info.externalDirectories;
}

/** Of a diff that is gone by the time somebody reads this. */
function withoutRoom(error: unknown, diff: string): unknown {
  const full =
    error instanceof PbkfsError && (error.code === 'diff_full' || /^(?:ENOSPC|EDQUOT)\b/.test(error.message));
  if (!full) return error;
  return new PbkfsError('no_place', `no room for a temporary diff: ${diff}`, {
    hint: 'it is gone again: make room, or name another place (--work-dir, for start -d or TMPDIR)',
    cause: error,
  });
}
