// All mounts of this host, as far as this user can see them: from the registry, /proc and the diffs.

import { byteString, displayPath } from '../../backup/byte-path.js';
import { isOurs, type MountEntry, mountAt, readMounts } from '../../sys/mountinfo.js';
import { isAlive, startedAt } from '../../sys/process-identity.js';
import { bytesOnDisk } from '../disk-usage.js';
import { bindingOf, ownerOf } from '../mounted.js';
import { findServers, type OrphanedServer } from '../orphaned-server.js';
import { listRegistered } from '../registry.js';
import { healthOf, healthOfGone, type MountHealth } from './health.js';

export interface MountSummary {
  readonly mountpoint: string;
  readonly state: MountHealth;
  readonly instance: string | null;
  readonly backupId: string | null;
  /** Ids, FULL first. */
  readonly chain: readonly string[] | null;
  readonly catalog: string | null;
  readonly diff: string | null;
  readonly diffBytes: number | null;
  /** Where its WAL lies, if not in the diff. */
  readonly walDirectory: string | null;
  readonly pid: number | null;
  /** ISO 8601, UTC. */
  readonly mountedAt: string | null;
  readonly uptimeSeconds: number | null;
  readonly logFile: string | null;
  /** Where its metrics are served: `http://HOST:PORT` or `unix:PATH`. */
  readonly metricsAddress: string | null;
  /** PostgreSQL servers that run on it. */
  readonly servers: readonly { readonly pid: number; readonly dataDirectory: string }[];
}

/** Sorted by mount point. Of mounts that others made without root only the backup is known. */
export async function listMounts(): Promise<MountSummary[]> {
  const mounts = readMounts();
  const points = new Set(mounts.filter(isOurs).map((mount) => displayPath(mount.mountPoint)));
  for (const entry of listRegistered()) points.add(entry.mountpoint);
  // One that hangs is waited for: all are asked at a time.
  const summaries = await Promise.all(
    [...points].sort().map((mountpoint) => summarize(mountpoint, mountAt(mounts, byteString(mountpoint)))),
  );
  return summaries.filter((summary) => summary !== undefined);
}

/** What is known of one mount. @param mount what lies on the mount point; undefined once it is unmounted */
export async function summarize(mountpoint: string, mount: MountEntry | undefined): Promise<MountSummary | undefined> {
  const mounted = mount !== undefined && isOurs(mount) ? mount : undefined;
  const owner = ownerOf(mountpoint);
  const living = owner !== undefined && isAlive(owner);
  if (mounted === undefined && !living) return undefined;
  const state = mounted === undefined ? healthOfGone(owner!) : await healthOf(mountpoint, owner);
  const binding = bindingOf(owner?.diff);
  const [, instance, backupId] = /^pbkfs:(.*)\/([^/]*)$/.exec(displayPath(mounted?.source ?? '')) ?? [];
  const since = living ? (owner.mountedAt ?? startedAt(owner)) : undefined;
  return {
    mountpoint,
    state,
    instance: owner?.instance ?? binding?.backup.instance ?? instance ?? null,
    backupId: owner?.backupId ?? binding?.backup.backupId ?? backupId ?? null,
    chain: owner?.chain ?? null,
    catalog: owner?.catalog ?? binding?.catalog ?? null,
    diff: owner?.diff ?? null,
    diffBytes: owner?.diff === undefined ? null : (bytesOnDisk(owner.diff) ?? null),
    walDirectory: binding?.walDirectory?.path ?? null,
    pid: living ? owner.pid : null,
    mountedAt: since === undefined ? null : new Date(since).toISOString(),
    uptimeSeconds: since === undefined ? null : Math.max(0, Math.round((Date.now() - since) / 1000)),
    logFile: owner?.logFile ?? null,
    metricsAddress: (living ? owner.metricsAddress : undefined) ?? null,
    servers: mounted === undefined ? [] : findServers(mounted).map(shown),
  };
}

function shown({ pid, dataDirectory }: OrphanedServer): { pid: number; dataDirectory: string } {
  return { pid, dataDirectory };
}
