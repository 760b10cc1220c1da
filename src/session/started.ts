// A session that goes on without us: remembered beside the mount's entry in the registry, ended by `pbkfs stop`.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { resolveMountpoint } from '../mount/paths.js';
import { companionFiles, findRegistered, keep, listRegistered, privateDirectories } from '../mount/registry.js';
import { unmount } from '../mount/unmount/unmount.js';
import { PRIVATE_DIR } from '../postgres/private-dir.js';
import { notStopped, stopRunning } from '../postgres/stop-running.js';
import { isMountPoint } from '../sys/mountinfo.js';
import { bootId, isAlive, type ProcessIdentity, sameProcess } from '../sys/process-identity.js';
import { readJson } from '../sys/read-json.js';
import { shellWord } from '../sys/shell-word.js';
import { cleanUp, isUsed } from './clean-up.js';
import { holdingSignals } from './held-signals.js';
import { serverOn } from './server-on.js';
import type { Session } from './session.js';

interface Started {
  /** `start` has mounted it, so `stop` unmounts it. */
  readonly mounted: boolean;
  readonly remove: readonly string[];
  /** The mount process: of another one what is written here means nothing. */
  readonly mount?: ProcessIdentity;
}

const SUFFIX = 'server';

/** Lets the session live on when this process ends. */
export function leaveSession(session: Session): void {
  const mount = findRegistered(session.mountpoint);
  // An earlier server on this mount that has died: what `stop` was to take away then, it does now.
  const before = session.mounted ? undefined : startedOn(session.mountpoint);
  const same = before?.mount !== undefined && mount !== undefined && sameProcess(before.mount, mount);
  const remove = [session.server.leave(), ...session.temporary, ...(same ? before.remove : [])];
  const mounted = session.mounted || (same && before.mounted);
  const started: Started = { mounted, remove, ...(mount === undefined ? {} : { mount: identity(mount) }) };
  forget(session.mountpoint);
  try {
    keep(session.mountpoint, SUFFIX, started);
  } catch (error) {
    throw new PbkfsError('server_failed', `the server cannot be remembered: ${(error as Error).message}`, {
      hint: 'set XDG_STATE_HOME to a directory of your own that has room',
      cause: error,
    });
  }
}

export interface Stopped {
  readonly mountpoint: string;
  readonly server: boolean;
  readonly unmounted: boolean;
  /** It was there before the server, or somebody else has mounted it, and stays. */
  readonly mounted: boolean;
  readonly removed: readonly string[];
}

export interface StopRequest {
  /** An immediate shutdown, without a checkpoint. */
  readonly now: boolean;
  /** How long to wait for the server, then for users of the mount, and then for its process, in ms. */
  readonly timeout: number;
  /** Hears for how long the server has been waited for. */
  readonly waiting: (seconds: number) => void;
}

/**
 * Stops the server in order, takes the mount away if `start` made it, and what was temporary.
 * @throws PbkfsError not_mounted when nothing was started there; mount_busy when the server does not stop in time (nothing
 *   is taken away then) or somebody else uses the mount
 */
export async function stopSession(path: string, request: StopRequest): Promise<Stopped> {
  const mountpoint = existing(path);
  const started = startedOn(mountpoint);
  const postmaster = serverOn(mountpoint, started?.remove);
  if (started === undefined && postmaster === undefined) {
    throw new PbkfsError('not_mounted', `no server was started by pbkfs on ${mountpoint}`, {
      hint: isMountPoint(mountpoint)
        ? `to unmount it: pbkfs unmount -D ${shellWord(mountpoint)}`
        : 'pbkfs list shows the mounts',
    });
  }
  if (postmaster !== undefined) await stopServer(postmaster, mountpoint, request);
  const { mounted = false, remove = [] } = started ?? {};
  const unmounted = mounted && isMountPoint(mountpoint);
  // As long as it is mounted "pbkfs stop" can be said again.
  const mayEnd = (): boolean => unmounted && isMountPoint(mountpoint);
  await holdingSignals(mayEnd, async () => {
    if (unmounted) await unmount(mountpoint, { stopTimeout: request.timeout });
    await cleanUp({ remove });
    forget(mountpoint);
  });
  return {
    mountpoint,
    server: postmaster !== undefined,
    unmounted,
    mounted: isMountPoint(mountpoint),
    removed: remove,
  };
}

/**
 * Takes away the private directories of servers whose mount is gone without `stop`, and what was remembered of them. Where
 * the mount is still there, dead, that is for `stop`; a diff stays.
 * @returns the directories
 */
export function removeUnstopped(): string[] {
  const removed: string[] = [];
  const mounts = listRegistered();
  for (const directory of privateDirectories()) {
    for (const name of readdirSync(directory).filter((entry) => entry.endsWith(`.${SUFFIX}`))) {
      const file = join(directory, name);
      const { mount, remove } = readJson<Started>(file) ?? { remove: [] };
      // Of another boot, or of another host that has the same home directory, nothing is known.
      if (mount?.bootId !== bootId() || isAlive(mount) || mounts.some((entry) => sameProcess(entry, mount))) continue;
      const own = remove.filter((path) => basename(path).startsWith(PRIVATE_DIR));
      if (own.some(isUsed)) continue;
      removed.push(...own.filter((path) => existsSync(path)));
      for (const path of own) rmSync(path, { recursive: true, force: true });
      if (own.length === remove.length && sameProcess(readJson<Started>(file)?.mount ?? mount, mount))
        rmSync(file, { force: true });
    }
  }
  return removed;
}

/** @throws PbkfsError not_mounted: a temporary directory goes with its session */
function existing(path: string): string {
  try {
    return resolveMountpoint(path);
  } catch (cause) {
    throw new PbkfsError('not_mounted', `${path} does not exist: no server of pbkfs runs there`, {
      hint: 'pbkfs list shows the mounts',
      cause,
    });
  }
}

async function stopServer(
  postmaster: ProcessIdentity,
  mountpoint: string,
  { now, timeout, waiting }: StopRequest,
): Promise<void> {
  const left = await stopRunning([postmaster], now ? 'SIGQUIT' : 'SIGINT', timeout, waiting);
  if (left.length === 0) return;
  const hint = now
    ? `it has been told to: try again, or end it by hand (kill -KILL ${postmaster.pid}) and then try again`
    : 'it has been told to and may still do so: try again, with a larger --stop-timeout, or with --now for no checkpoint';
  throw notStopped(mountpoint, left, hint);
}

function identity({ pid, startTime, bootId }: ProcessIdentity): ProcessIdentity {
  return { pid, startTime, bootId };
}

/** What is remembered of a session; of several records that of the mount which is there. */
function startedOn(mountpoint: string): Started | undefined {
  const mount = findRegistered(mountpoint);
  const records = companionFiles(mountpoint, SUFFIX)
    .map((file) => readJson<Started>(file))
    .filter((record) => record !== undefined);
  const isOfMount = (record: Started): boolean =>
    mount !== undefined && record.mount !== undefined && sameProcess(record.mount, mount);
  return records.find(isOfMount) ?? records[0];
}

function forget(mountpoint: string): void {
  for (const file of companionFiles(mountpoint, SUFFIX)) rmSync(file, { force: true });
}
