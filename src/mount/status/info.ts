// Everything there is to know about one mount.

import { type BackupInfo, type Chain, openCatalog, resolveChain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import type { BackendInfo } from '../../fs/serve-types.js';
import { bindingOf, findMounted, findServing, type Mounted } from '../mounted.js';
import { type MountSummary, summarize } from './list.js';
import { openProvenance, type Provenance } from './provenance.js';
import { type MountStatus, readStatus } from './stat.js';

export interface MountInfo {
  readonly summary: MountSummary;
  /** Missing for a mount that does not serve, or whose files this user may not see. */
  readonly status: MountStatus | undefined;
  /** Missing where the registry does not know the mount. */
  readonly server: BackendInfo | undefined;
  /** The chain as the catalog has it now, FULL first; undefined where the catalog cannot be read. */
  readonly members: readonly BackupInfo[] | undefined;
}

/** @throws PbkfsError not_mounted */
export async function readInfo(path: string): Promise<MountInfo> {
  const mounted = findMounted(path);
  const summary = (await summarize(mounted.mountpoint, mounted.entry))!;
  return {
    summary,
    status: summary.state === 'serving' ? await quietly(() => readStatus(mounted)) : undefined,
    server: mounted.owner?.server,
    members: await quietly(() => chainOf(mounted).members),
  };
}

/** @param file on the mount: absolute, or relative to the mount point. @throws see openProvenance */
export async function readProvenance(path: string, file: string): Promise<Provenance> {
  const mounted = findServing(path);
  // From one that hangs nothing is read.
  await readStatus(mounted);
  return openProvenance(mounted, () => chainOf(mounted), file);
}

/** The chain of a mount. @throws PbkfsError about the catalog */
export function chainOf({ mountpoint, owner }: Pick<Mounted, 'mountpoint' | 'owner'>): Chain {
  const binding = bindingOf(owner?.diff);
  const catalog = owner?.catalog ?? binding?.catalog;
  const instance = owner?.instance ?? binding?.backup.instance;
  const backupId = owner?.backupId ?? binding?.backup.backupId;
  if (catalog === undefined || instance === undefined || backupId === undefined) {
    throw new PbkfsError('no_permission', `nobody knows where the catalog of ${mountpoint} is`, {
      hint: 'only root and whoever mounted it can find out',
    });
  }
  return resolveChain(openCatalog(catalog), instance, backupId, { force: true, purpose: 'read' });
}

/** What cannot be told is left out. */
async function quietly<T>(ask: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof PbkfsError || (error as NodeJS.ErrnoException).syscall !== undefined) return undefined;
    throw error;
  }
}
