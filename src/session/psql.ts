// What to type to look into a server of ours.

import type { BackupInfo } from '../backup/index.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { shellWord } from '../sys/shell-word.js';
import { superuserOf } from './login.js';

/** A command line for a superuser that the cluster has; where none is found, the role is left to the reader. Never rejects. */
export async function psqlCommand(server: ConnectionParameters, backup: BackupInfo): Promise<string> {
  const command = `psql -h ${shellWord(server.host)} -p ${server.port}`;
  try {
    const { role, database } = await superuserOf(server, backup, undefined);
    const named = `${command} -U ${shellWord(role)}`;
    return role === database ? named : `${named} -d ${database}`;
  } catch {
    return `${command} -U ROLE`;
  }
}
