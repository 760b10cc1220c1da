// PostgreSQL servers that have outlived their mount: its process was killed, they still sit in the dead endpoint.

import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { displayPath } from '../backup/byte-path.js';
import { PbkfsError } from '../errors.js';
import { isServer } from '../postgres/processes.js';
import { notStopped, stopRunning } from '../postgres/stop-running.js';
import { mountsOf, namespaceOf } from '../sys/mount-namespace.js';
import { isOurs, type MountEntry, mountOn } from '../sys/mountinfo.js';
import { identityOf, type ProcessIdentity, processIds } from '../sys/process-identity.js';
import { isOn, mountIdOfLink } from './holders.js';
import { isStale } from './is-stale.js';
import { resolveMountpoint } from './paths.js';

export interface OrphanedServer extends ProcessIdentity {
  /** Its working directory, which a postmaster never leaves. */
  readonly dataDirectory: string;
}

/** Without a disk a fast shutdown may not come to its end; an immediate one kills what does not obey after 5 s. */
const STOP_SIGNALS = [
  ['SIGINT', 5000],
  ['SIGQUIT', 8000],
] as const;

/**
 * The postmasters whose working directory lies on the mount, in whichever mount namespace. Found in /proc alone; without
 * root only those of this user.
 * @param mount of readMounts()
 */
export function findServers(mount: MountEntry): OrphanedServer[] {
  const servers = new Map<number, OrphanedServer & { readonly parent: number }>();
  for (const pid of processIds()) {
    const dataDirectory = workingDirectory(`/proc/${pid}`, mount);
    const identity = dataDirectory === undefined ? undefined : identityOf(pid);
    if (identity !== undefined) servers.set(identity.pid, { ...identity, dataDirectory: dataDirectory! });
  }
  // Every other process of a server is a child of its postmaster.
  return [...servers.values()].filter(({ parent }) => !servers.has(parent)).map(({ parent: _, ...server }) => server);
}

/** @throws PbkfsError mount_busy naming the servers in a dead mount */
export function refuseOrphanedServers(mount: MountEntry): void {
  const servers = findServers(mount);
  if (servers.length > 0) throw stillRunning(displayPath(mount.mountPoint), servers);
}

/**
 * Stops the servers that sit in a dead mount, if there is one: fast, then immediate.
 * @param path the mount point
 * @returns those that were stopped
 * @throws PbkfsError mount_busy when one does not end; a system error when this user may not stop it
 */
export async function stopOrphanedServers(path: string): Promise<OrphanedServer[]> {
  const mountpoint = mountpointOf(path);
  if (mountpoint === undefined || !isStale(mountpoint)) return [];
  return stop(mountpoint, STOP_SIGNALS);
}

/**
 * Stops the servers on a mount, whether it is dead or serves. On one that serves they get `patience` ms for a fast
 * shutdown (which rolls back transactions and writes a checkpoint), and more only when they are to be stopped by force.
 * @returns those that were stopped
 * @throws PbkfsError mount_busy when one does not end; a system error when this user may not stop it
 */
export async function stopServersOn(path: string, patience: number, force: boolean): Promise<OrphanedServer[]> {
  const mountpoint = mountpointOf(path);
  if (mountpoint === undefined) return [];
  if (isStale(mountpoint)) return stop(mountpoint, STOP_SIGNALS);
  return stop(mountpoint, [['SIGINT', patience], ...(force ? [STOP_SIGNALS[1]] : [])]);
}

async function stop(
  mountpoint: string,
  signals: readonly (readonly [signal: NodeJS.Signals, patience: number])[],
): Promise<OrphanedServer[]> {
  const mount = mountOn(mountpoint);
  const servers = mount === undefined || !isOurs(mount) ? [] : findServers(mount);
  let left: readonly OrphanedServer[] = servers;
  for (const [signal, patience] of signals) left = await stopRunning(left, signal, patience);
  if (left.length === 0) return servers;
  const hint = 'it has been told to and may still do so: try again, with a larger --stop-timeout or with --force';
  throw isStale(mountpoint) ? stillRunning(mountpoint, left) : notStopped(mountpoint, left, hint);
}

function mountpointOf(path: string): string | undefined {
  try {
    return resolveMountpoint(path);
  } catch {
    return undefined; // there is no such directory
  }
}

/** The working directory of a process of PostgreSQL that sits on the mount. */
function workingDirectory(process: string, mount: MountEntry): string | undefined {
  try {
    if (!isServer(process)) return undefined;
    const directory = readlinkSync(`${process}/cwd`, 'latin1');
    const id = mountIdOfLink(`${process}/cwd`);
    const onMount = id === mount.id ? isOn(mount, directory) : isOnCopy(process, mount, id);
    return onMount ? displayPath(directory) : undefined;
  } catch {
    // Not ours to look at, or ended meanwhile.
    return undefined;
  }
}

/** Whether a mount of that number is this one in a mount namespace of the process's own, as sessions give to some servers. */
function isOnCopy(process: string, { device }: MountEntry, id: number | undefined): boolean {
  const name = basename(process);
  if (namespaceOf(name) === namespaceOf('self')) return false;
  return mountsOf(name).some((entry) => entry.id === id && entry.device === device && isOurs(entry));
}

function stillRunning(mountpoint: string, servers: readonly OrphanedServer[]): PbkfsError {
  const list = servers.map(({ pid, dataDirectory }) => `process ${pid} (data directory ${dataDirectory})`).join(', ');
  return new PbkfsError(
    'mount_busy',
    `the mount on ${mountpoint} is dead, but a PostgreSQL server still runs in it: ${list}`,
    { hint: `stop it with --stop-server, or by hand: kill -QUIT ${servers.map(({ pid }) => pid).join(' ')}` },
  );
}
