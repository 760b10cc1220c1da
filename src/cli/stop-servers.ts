// --stop-server of mount.

import { stopOrphanedServers } from '../mount/orphaned-server.js';

/** Stops the servers in a dead mount and says which they were. */
export async function stopServers(mountpoint: string): Promise<void> {
  for (const { pid, dataDirectory } of await stopOrphanedServers(mountpoint)) {
    process.stdout.write(`stopped the PostgreSQL server in ${dataDirectory} (process ${pid})\n`);
  }
}
