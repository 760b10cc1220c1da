// Chains: from a backup id to the FULL it is built on, and whether every member may be read.

import fs from 'node:fs';
import { PbkfsError } from '../errors.js';
import { type Catalog, findBackup } from './catalog.js';
import { type Refusal, refusalOf } from './chain-state.js';
import { listPath, whyIncomplete } from './lists/list-file.js';
import type { BackupInfo, Chain, PassedOver } from './types.js';
import { parseLsnNumber } from './wal/lsn.js';

export interface ChainOptions {
  /** Accept members in state CORRUPT or ORPHAN, and lists that lost files. Nothing else is ever forced. */
  readonly force?: boolean | undefined;
  /** What a refusal says that the backup cannot be; `mounted` where it is missing. */
  readonly purpose?: 'mounted' | 'read' | undefined;
}

/** Result of checkBackup: mountable, or the first reason against it. */
export interface ChainCheck {
  readonly mountable: boolean;
  /** Names the member that is at fault. */
  readonly reason: string | undefined;
  readonly hint: string | undefined;
  /** As far as the chain could be followed; FULL first when complete. */
  readonly members: readonly BackupInfo[];
}

/**
 * Finds the chain of a backup and checks every member, none else: an odd backup elsewhere in the instance is no matter.
 * @param idOrLatest an id in any case, or `latest` for the newest backup whose chain is mountable
 * @throws PbkfsError catalog_not_found, backup_not_found, backup_unusable, backup_unsupported, backup_damaged with a hint
 */
export function resolveChain(
  catalog: Catalog,
  instance: string,
  idOrLatest: string,
  options: ChainOptions = {},
): Chain {
  const backups = catalog.backups(instance);
  const latest = idOrLatest.toLowerCase() === 'latest';
  const target = latest ? latestMountable(backups, instance, options) : findBackup(backups, instance, idOrLatest);
  const { members, refusal } = followChain(backups, instance, target, options);
  if (refusal !== undefined) throw new PbkfsError(refusal.code, refusal.reason, { hint: refusal.hint });
  return { instance, target, members, passedOver: latest ? findPassedOver(backups, instance, target, options) : [] };
}

/** Of backups newer than the one that was taken, those that cannot be. */
export function findPassedOver(
  backups: readonly BackupInfo[],
  instance: string,
  taken: BackupInfo | undefined,
  options: ChainOptions,
): PassedOver[] {
  const newer = taken === undefined ? backups : backups.slice(0, backups.indexOf(taken));
  return newer.flatMap((backup) => {
    const { refusal } = followChain(backups, instance, backup, options);
    return refusal === undefined ? [] : [{ backupId: backup.id, reason: refusal.reason }];
  });
}

/** Ids of a chain's backups, FULL first. */
export function memberIds({ members }: Pick<Chain, 'members'>): string[] {
  return members.map(({ id }) => id);
}

/** For whoever asked for `latest`. @returns a warning, or none */
export function passedOverWarning({ target, passedOver: [first, ...more] }: Chain): string[] {
  if (first === undefined) return [];
  const others = more.length === 0 ? '' : ` (and ${more.length} more: "pbkfs show" tells why)`;
  return [`backup ${target.id} is taken as the latest, not a newer one: ${first.reason}${others}`];
}

/**
 * Says whether a backup could be mounted, without throwing about the backup itself.
 * @param target out of the instance's list `backups`, in which two directories may have one id
 */
export function checkBackup(
  backups: readonly BackupInfo[],
  instance: string,
  target: BackupInfo,
  options: ChainOptions = {},
): ChainCheck {
  const { members, refusal } = followChain(backups, instance, target, options);
  return { mountable: refusal === undefined, reason: refusal?.reason, hint: refusal?.hint, members };
}

function latestMountable(backups: readonly BackupInfo[], instance: string, options: ChainOptions): BackupInfo {
  const found = backups.find((backup) => followChain(backups, instance, backup, options).refusal === undefined);
  if (found !== undefined) return found;
  throw new PbkfsError('backup_not_found', `instance ${instance} has no backup that can be mounted`, {
    hint: backups.length === 0 ? 'the instance has no backups' : '"pbkfs show" tells why for each of them',
  });
}

function followChain(
  backups: readonly BackupInfo[],
  instance: string,
  target: BackupInfo,
  { force = false, purpose = 'mounted' }: ChainOptions,
): { members: BackupInfo[]; refusal: Refusal | undefined } {
  const seen = new Set<BackupInfo>();
  const members = () => [...seen].reverse();
  const refuse = (backup: BackupInfo, refusal: Refusal) => {
    const subject = backup === target ? '' : `backup ${backup.id} of its chain: `;
    return {
      members: members(),
      refusal: { ...refusal, reason: `backup ${target.id} cannot be ${purpose}: ${subject}${refusal.reason}` },
    };
  };
  let backup = target;
  for (;;) {
    seen.add(backup);
    const refusal = refusalOf(backup, force) ?? listRefusal(backup, force);
    if (refusal !== undefined) return refuse(backup, refusal);
    if (backup.mode === 'FULL') return { members: members(), refusal: undefined };
    const parent = parentOf(backups, instance, backup);
    if (!('directory' in parent)) return refuse(backup, parent);
    if (seen.has(parent)) {
      const reason = `its parents lead back to ${parent.id}`;
      return refuse(backup, { code: 'backup_damaged', reason, hint: 'choose another backup' });
    }
    backup = parent;
  }
}

/** What is known of backups; whoever judges all of them comes by each of a chain as often as it is long. */
const parents = new WeakMap<readonly BackupInfo[], Map<BackupInfo, BackupInfo | Refusal>>();
/** Bytes of their lists, or what is wrong with them. */
const lists = new WeakMap<BackupInfo, Refusal | number>();

function listRefusal(backup: BackupInfo, force: boolean): Refusal | undefined {
  let found = lists.get(backup);
  if (found === undefined) {
    found = lookAtList(backup);
    lists.set(backup, found);
  }
  if (typeof found !== 'number') return found;
  const why = force ? undefined : whyIncomplete(backup, found);
  if (why === undefined) return undefined;
  return {
    code: 'backup_damaged',
    reason: `its backup_content.control ${why}`,
    hint: 'choose another backup; --force mounts it all the same, without the files that were lost',
  };
}

function lookAtList(backup: BackupInfo): Refusal | number {
  let list: fs.Stats | undefined;
  try {
    list = fs.statSync(listPath(backup.directory), { throwIfNoEntry: false });
  } catch (error) {
    const reason = `its backup_content.control cannot be read: ${(error as Error).message}`;
    return { code: 'backup_damaged', reason, hint: 'choose another backup' };
  }
  if (!list?.isFile()) {
    return { code: 'backup_damaged', reason: 'its backup_content.control is missing', hint: 'choose another backup' };
  }
  return list.size;
}

function parentOf(backups: readonly BackupInfo[], instance: string, backup: BackupInfo): BackupInfo | Refusal {
  const known = parents.get(backups) ?? new Map<BackupInfo, BackupInfo | Refusal>();
  parents.set(backups, known);
  const parent = known.get(backup) ?? findParent(backups, instance, backup);
  known.set(backup, parent);
  return parent;
}

function findParent(backups: readonly BackupInfo[], instance: string, backup: BackupInfo): BackupInfo | Refusal {
  const { parentId } = backup;
  if (parentId === undefined) {
    return {
      code: 'backup_damaged',
      reason: `it is ${backup.mode} but names no parent`,
      hint: 'choose another backup',
    };
  }
  let parent: BackupInfo;
  try {
    parent = findBackup(backups, instance, parentId);
  } catch (error) {
    if (!(error instanceof PbkfsError)) throw error;
    if (error.code !== 'backup_not_found') {
      return { code: 'backup_unusable', reason: error.message, hint: error.hint ?? 'choose another backup' };
    }
    return { code: 'backup_unusable', reason: `its parent ${parentId} is missing`, hint: 'choose another backup' };
  }
  if (endsBefore(backup, parent)) {
    return {
      code: 'backup_damaged',
      reason: `it ends at ${backup.stopLsn}, before its parent ${parentId}, which ends at ${parent.stopLsn}`,
      hint: 'choose another backup',
    };
  }
  return parent;
}

/**
 * Along a chain WAL positions never fall: pages of a parent could be newer than the backup. Start times may, where the
 * clock was set back between two backups of a pg_probackup up to 2.5.6; later ones refuse that.
 */
function endsBefore(backup: BackupInfo, parent: BackupInfo): boolean {
  const [end, parentEnd] = [backup, parent].map(({ stopLsn }) => parseLsnNumber(stopLsn ?? '') ?? 0);
  return end! > 0 && end! < parentEnd!;
}
