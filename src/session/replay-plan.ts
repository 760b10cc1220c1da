// What the WAL that a server is about to replay asks of it: which WAL it gets, and which paths of this host must lead it elsewhere.

import type { BackupInfo, Catalog } from '../backup/index.js';
import { counted } from '../counted.js';
import type { ServerBinaries } from '../postgres/find-server.js';
import type { PathBinding } from '../postgres/private-namespace.js';
import { reachableTempDir, socketTempDir } from '../postgres/reachable.js';
import { MOUNT_RESTORE_COMMAND } from '../postgres/recovery-config.js';
import type { ServerUser } from '../postgres/server-user.js';
import { beforeDrop } from './before-drop.js';
import type { EarlierTarget } from './database-drops.js';
import { checkReplay, type Replay, type ReplayTarget } from './replay-check.js';
import type { SessionProgress } from './session-request.js';
import { bindingsFor } from './tablespaces.js';

/** Whose WAL it is, and who replays it. */
export interface Replaying {
  readonly catalog: Catalog;
  readonly instance: string;
  readonly backup: BackupInfo;
  /** Need not be there yet. */
  readonly mountpoint: string;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  /** The databases that are wanted, whatever becomes of the others; undefined: nobody has said. */
  readonly databases: readonly string[] | undefined;
}

export interface ReplayPlan extends Pick<Replay, 'restoreCommand' | 'inPlace'> {
  /** The target that recovery gets instead of its own. */
  readonly earlier: EarlierTarget | undefined;
  /** The directories of the mount that take the places of those in which tablespaces are created. */
  readonly bindings: readonly PathBinding[];
}

/** Of a server that replays nothing of the backup's. */
export const NO_REPLAY: ReplayPlan = {
  restoreCommand: MOUNT_RESTORE_COMMAND,
  inPlace: false,
  earlier: undefined,
  bindings: [],
};

/**
 * Looks through that WAL, and says what it finds.
 * @param target undefined: only what a STREAM backup replays by itself
 * @param isSettled the target is that of a mount which is there, and cannot be moved ahead of a DROP DATABASE any more
 * @throws PbkfsError wal_damaged, target_unreachable; server_failed naming a tablespace that would touch this host
 */
export function planReplay(
  { catalog, instance, backup, mountpoint, binaries, user, databases }: Replaying,
  target: ReplayTarget | undefined,
  isSettled: boolean,
  progress: SessionProgress,
): ReplayPlan {
  progress.step(`looking through the WAL that backup ${backup.id} needs`);
  const seen = (count: number): void => progress.detail(counted(count, 'segment'));
  const replay = checkReplay(catalog, instance, backup, target, seen);
  const { restoreCommand, inPlace, gap } = replay;
  if (gap !== undefined) progress.warn(`recovery ends at a gap of the WAL archive: ${gap}`);
  const earlier = beforeDrop(replay, isSettled, databases, progress.warn);
  const needed = [binaries.binDir, reachableTempDir(user), socketTempDir(user)];
  return { restoreCommand, inPlace, earlier, bindings: bindingsFor(replay.tablespaces, mountpoint, needed) };
}
