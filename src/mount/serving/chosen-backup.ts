// Which backup a mount is of: what the request names, and what the diff knows of its earlier mounts.

import type { Catalog, Chain } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import type { BackupIdentity, Binding } from '../diff/binding.js';
import type { DiffDirectory } from '../diff/diff-directory.js';
import type { MountRequest } from '../request.js';

/** What names a backup, as far as it was named. */
type NamedBackup = Pick<MountRequest, 'catalog' | 'instance' | 'backupId'>;

export interface ChosenBackup {
  readonly catalog: string;
  readonly instance: string;
  readonly backupId: string;
}

/** @throws PbkfsError usage naming the options that are missing */
export function chosenBackup(request: NamedBackup, diff: string, found: DiffDirectory): ChosenBackup {
  const bound: Binding | undefined = found.kind === 'bound' ? found.binding : undefined;
  const catalog = request.catalog ?? bound?.catalog;
  const instance = request.instance ?? bound?.backup.instance;
  const backupId = request.backupId ?? bound?.backup.backupId;
  if (catalog !== undefined && instance !== undefined && backupId !== undefined) return { catalog, instance, backupId };
  const missing = [
    catalog === undefined ? '-B CATALOG' : '',
    instance === undefined ? '-I INSTANCE' : '',
    backupId === undefined ? '-i BACKUP_ID' : '',
  ].filter((option) => option !== '');
  const why = found.kind === 'absent' ? 'does not exist yet' : 'has not been mounted before';
  throw new PbkfsError('usage', `the diff ${diff} ${why}: ${missing.join(' ')} must be given`, {
    hint: 'only a diff that was mounted before knows its backup',
  });
}

/** As the binding of the diff keeps it. */
export function identityOf(catalog: Catalog, chain: Chain): BackupIdentity {
  const { target, instance } = chain;
  return {
    instance,
    backupId: target.id,
    startTime: target.startTime ?? 0,
    systemIdentifier: catalog.config(instance).systemIdentifier ?? '',
  };
}
