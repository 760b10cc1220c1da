// PostgreSQL servers that have outlived their mount: its process was killed, they still sit in the dead endpoint.

import { readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { identityOf, isAlive, type ProcessIdentity } from '../sys/process-identity.js';
import { isOn, mountIdOfLink } from './holders.js';
import { type MountEntry, mountAt, readMounts } from './mountinfo.js';
import { bytesOf, resolveMountpoint, textOf } from './paths.js';
import { isStale } from './stale-endpoint.js';

export interface OrphanedServer extends ProcessIdentity {
  /** Its working directory, which a postmaster never leaves. */
  readonly dataDirectory: string;
}

/** Without a disk a fast shutdown may not come to its end; an immediate one kills what does not obey after 5 s. */
const STOP_SIGNALS = [
  ['SIGINT', 5000],
  ['SIGQUIT', 8000],
] as const;
const POLL_MS = 20;

/**
 * The postmasters whose working directory lies on the mount. Found in /proc alone; without root only those of this user.
 * @param mount of readMounts()
 */
export function findOrphanedServers(mount: MountEntry): OrphanedServer[] {
  const servers = new Map<number, OrphanedServer & { readonly parent: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const dataDirectory = workingDirectory(`/proc/${name}`, mount);
    const identity = dataDirectory === undefined ? undefined : identityOf(Number(name));
    if (identity !== undefined) servers.set(identity.pid, { ...identity, dataDirectory: dataDirectory! });
  }
  // Every other process of a server is a child of its postmaster.
  return [...servers.values()].filter(({ parent }) => !servers.has(parent)).map(({ parent: _, ...server }) => server);
}

/** @throws PbkfsError mount_busy naming the servers in a dead mount */
export function refuseOrphanedServers(mount: MountEntry): void {
  const servers = findOrphanedServers(mount);
  if (servers.length > 0) throw stillRunning(textOf(mount.mountPoint), servers);
}

/**
 * Stops the servers that sit in a dead mount, if there is one: fast, then immediate.
 * @param path the mount point
 * @returns those that were stopped
 * @throws PbkfsError mount_busy when one does not end; a system error when this user may not stop it
 */
export async function stopOrphanedServers(path: string): Promise<OrphanedServer[]> {
  let mountpoint: string;
  try {
    mountpoint = resolveMountpoint(path);
  } catch {
    return []; // there is no such directory
  }
  const mount = mountAt(readMounts(), bytesOf(mountpoint));
  if (mount === undefined || !isStale(mountpoint)) return [];
  const servers = findOrphanedServers(mount);
  for (const [signal, patience] of STOP_SIGNALS) {
    for (const server of servers) if (isAlive(server)) process.kill(server.pid, signal);
    for (const deadline = Date.now() + patience; servers.some(isAlive) && Date.now() < deadline; ) await sleep(POLL_MS);
  }
  const left = servers.filter(isAlive);
  if (left.length > 0) throw stillRunning(mountpoint, left);
  return servers;
}

/** The working directory of a process of PostgreSQL that sits on the mount. */
function workingDirectory(process: string, mount: MountEntry): string | undefined {
  try {
    const program = readlinkSync(`${process}/exe`, 'latin1').replace(/ \(deleted\)$/, '');
    if (basename(program) !== 'postgres') return undefined;
    const directory = readlinkSync(`${process}/cwd`, 'latin1');
    const onMount = isOn(mount, directory) && mountIdOfLink(`${process}/cwd`) === mount.id;
    return onMount ? textOf(directory) : undefined;
  } catch {
    // Not ours to look at, or ended meanwhile.
    return undefined;
  }
}

function stillRunning(mountpoint: string, servers: readonly OrphanedServer[]): PbkfsError {
  const list = servers.map(({ pid, dataDirectory }) => `process ${pid} (data directory ${dataDirectory})`).join(', ');
  return new PbkfsError(
    'mount_busy',
    `the mount on ${mountpoint} is dead, but a PostgreSQL server still runs in it: ${list}`,
    { hint: `stop it with --stop-server, or by hand: kill -QUIT ${servers.map(({ pid }) => pid).join(' ')}` },
  );
}
