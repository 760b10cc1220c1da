// postmaster.pid of a server that was killed. PostgreSQL takes whichever process of this user has got its number since for
// that server, or its zombie where nobody waits for it, and does not start.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from '../sys/read-if-there.js';
import { isServer } from './processes.js';

/**
 * Removes the lock file of a data directory in which no process of a server is, unless the process it names is a server:
 * that may have outlived an earlier mount, and is for PostgreSQL to judge.
 */
export function forgetDeadServer(dataDir: string): void {
  const path = join(dataDir, 'postmaster.pid');
  const text = readIfThere(path)?.toString('latin1');
  if (text !== undefined && !isServer(`/proc/${Number.parseInt(text, 10)}`)) rmSync(path, { force: true });
}
