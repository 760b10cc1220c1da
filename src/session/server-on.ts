// The server on a mount of ours. Its command line alone does not tell: in a container, or in place of a mount that is gone,
// another server may have a data directory of that name.

import { findServers } from '../mount/orphaned-server.js';
import { isOurs, mountOn } from '../sys/mountinfo.js';
import type { ProcessIdentity } from '../sys/process-identity.js';
import { findPostmaster } from './clean-up.js';

/** @param own directories of the session: what has its configuration in one of them is ours, on whatever it sits */
export function serverOn(mountpoint: string, own: readonly string[] = []): ProcessIdentity | undefined {
  const mount = mountOn(mountpoint);
  const sitting = mount === undefined || !isOurs(mount) ? [] : findServers(mount).map(({ pid }) => pid);
  return findPostmaster(mountpoint, own) ?? findPostmaster(mountpoint, undefined, (pid) => sitting.includes(pid));
}
