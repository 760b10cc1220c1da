// Recovery from the WAL archive of a catalog, by a restore_command of the test's own: copy or gunzip.

import { chownSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Recovery } from '../../src/postgres/recovery.js';
import { postgres15, serverTempDir, type Teardown } from './postgres.js';

/**
 * Recovery to the end of a backup: the truth queries were asked right before pg_backup_start, so consistency is
 * the state they describe. Works on a copy of catalog/wal/INSTANCE that the server's user can read.
 */
export function archiveRecovery(t: Teardown, catalog: string, instance: string): Recovery {
  const { user } = postgres15();
  const archive = join(serverTempDir(t), 'wal');
  const source = join(catalog, 'wal', instance);
  mkdirSync(archive, { mode: 0o700 });
  if (existsSync(source)) cpSync(source, archive, { recursive: true });
  for (const name of ['', ...readdirSync(archive)]) chownSync(join(archive, name), user.uid, user.gid);
  const file = `${archive}/%f`;
  const restoreCommand = [
    `if [ -f ${file}.gz ]; then gunzip -c ${file}.gz > %p`,
    `elif [ -f ${file} ]; then cp ${file} %p`,
    'else exit 1; fi',
  ].join('; ');
  return { restoreCommand, target: 'immediate' };
}
