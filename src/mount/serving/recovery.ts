// Recovery settings that a mount writes into its data directory, checked before anything is mounted.

import { type Chain, openCatalog } from '../../backup/index.js';
import { checkTarget } from '../../backup/wal/index.js';
import { type RecoveryConfig, writeRecoveryConfig } from '../../postgres/recovery-config.js';
import type { MountRequest } from '../request.js';

/** All WAL of the backup's timeline, then pause: what `pg_probackup restore` writes for an ARCHIVE backup. */
const ARCHIVE_RECOVERY: RecoveryConfig = { target: { kind: 'latest' }, timeline: 'current', action: 'pause' };

/**
 * What the mount writes for the server, if anything: a STREAM backup starts as it is.
 * @param fresh the diff's first mount; later ones find what the first wrote
 * @param unwritten what an earlier mount has not written; it was checked then
 * @throws PbkfsError target_unreachable, wal_missing, wal_damaged
 */
export function recoveryFor(
  request: MountRequest,
  catalog: string,
  chain: Chain,
  fresh: boolean,
  unwritten: RecoveryConfig | undefined,
): RecoveryConfig | undefined {
  const { recovery } = request;
  if (request.noRecoveryConfig) return undefined;
  if (recovery === undefined) return unwritten ?? (fresh && !chain.target.stream ? ARCHIVE_RECOVERY : undefined);
  // Whoever brings a command of their own may know more WAL than the catalog, and a standby waits for more.
  if (recovery.restoreCommand === undefined && recovery.replica === undefined) {
    const { target, timeline, inclusive } = recovery;
    checkTarget(openCatalog(catalog), chain.instance, chain.target, target, timeline, inclusive);
  }
  return recovery;
}

/** Writes them through the mount, so that they lie in the diff like everything else. */
export async function configure(
  recovery: RecoveryConfig,
  mountpoint: string,
  { target }: Chain,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const major = Number.parseInt(target.serverVersion ?? '', 10);
  await writeRecoveryConfig({ dataDir: mountpoint, major, backupId: target.id, owner }, recovery);
}
