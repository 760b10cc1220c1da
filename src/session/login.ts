// As whom to ask a server on a backup whose roles and databases nobody knows yet.

import type { BackupInfo } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { ask, type Login } from './query.js';

/** A database that always lets clients in, unless somebody has taken pains. */
const DATABASES = ['postgres', 'template1'];
const NO_SUCH_ROLE = '28000';
const NO_SUCH_DATABASE = '3D000';
/** The first superuser that may log in; the one that initdb made has the lowest oid. */
const SUPERUSER = `select rolname from pg_roles where rolsuper and rolcanlogin order by oid limit 1`;

/**
 * A superuser, and a database where it can be asked for others. The role that made the backup exists; pg_probackup's
 * manual makes it one that may read no table, so it is only asked who may.
 * @param given the role to use; then only the database is looked for
 * @throws PbkfsError server_failed when nobody is let in
 */
export async function superuserOf(
  server: ConnectionParameters,
  backup: BackupInfo,
  given: string | undefined,
): Promise<Required<Login>> {
  const own = /(?:^|\s)user=(\S+)/.exec(backup.primaryConninfo ?? '')?.[1];
  const candidates = given === undefined ? [...new Set([own ?? 'postgres', 'postgres'])] : [given];
  let failure: unknown;
  for (const role of candidates) {
    for (const database of DATABASES) {
      try {
        const [superuser] = await ask(server, SUPERUSER, { role, database });
        return { role: given ?? (superuser as string | undefined) ?? role, database };
      } catch (error) {
        if (!isAbsent(error)) throw error;
        failure ??= error;
      }
    }
  }
  throw failure;
}

function isAbsent(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { readonly code?: unknown };
    if (!(at instanceof PbkfsError) && (code === NO_SUCH_ROLE || code === NO_SUCH_DATABASE)) return true;
  }
  return false;
}
