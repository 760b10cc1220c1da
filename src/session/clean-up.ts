// Takes a session away in the right order: the server, the mount, its files. Knows only paths, so that it also works on
// what is half made.

import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { isDiffLocked } from '../mount/diff/lock.js';
import { unmount } from '../mount/unmount/unmount.js';
import { childrenOf, isServer, killAll, killHard, signal, unkilled } from '../postgres/processes.js';
import { isMountPoint } from '../sys/mountinfo.js';
import { identityOf, isAlive, type ProcessIdentity, processIds } from '../sys/process-identity.js';
import { shellWord } from '../sys/shell-word.js';

/** What a session has made; every path absolute. */
export interface Belongings {
  /** Where its mount is, or is about to be; undefined for a mount that was there before. */
  readonly mountpoint?: string;
  readonly diff?: string;
  /** Data directory of the server it has started, or is about to. */
  readonly dataDir?: string;
  /** Their processes, once they run. */
  readonly mount?: ProcessIdentity;
  readonly server?: ProcessIdentity;
  /** Directories to remove with all they hold: the server's private one, a diff nobody wants, temporary ones. */
  readonly remove: readonly string[];
  /** The file that says all this; removed when everything else is. */
  readonly record?: string;
}

/** Exit status of a guard that has said why it could not. */
export const GAVE_UP = 3;
const POLL_MS = 50;
/** A mount process without a mount that runs for longer is killed, where its diff is thrown away. */
const GOES_ON_MS = 5000;
/** In ms. */
export interface Patience {
  /** After that it gives up with the next thing that it waits for in vain. */
  readonly all: number;
  /** For an immediate shutdown; then the server's processes are killed. */
  readonly shutdown: number;
  /** For killed processes to go. */
  readonly killed: number;
}
const PATIENCE: Patience = { all: 60_000, shutdown: 5000, killed: 10_000 };

/** @throws PbkfsError mount_busy when something else keeps the mount in use, or a process cannot be ended */
export async function cleanUp(belongings: Belongings, patience = PATIENCE): Promise<void> {
  const { mountpoint, diff, dataDir, mount, remove, record } = belongings;
  const thrownAway = diff !== undefined && remove.some((directory) => `${diff}/`.startsWith(`${directory}/`));
  const began = performance.now();
  const deadline = began + patience.all;
  const killed: ProcessIdentity[] = [];
  for (;;) {
    const server = dataDir === undefined ? undefined : findPostmaster(dataDir, remove);
    if (server !== undefined) killed.push(...(await killServer(server, patience)));
    const stuck = killed.filter(isAlive);
    // The end of a mount ends whoever waits for it.
    if (stuck.length > 0 && thrownAway && mount !== undefined) killHard(mount);
    try {
      if (mountpoint !== undefined && isMountPoint(mountpoint)) await unmount(mountpoint);
    } catch (error) {
      // A server that has just been killed lets go of its files a moment later; a mount that was coming up goes itself.
      if (performance.now() > deadline && stuck.length === 0) throw error;
    }
    const mounted = mountpoint !== undefined && isMountPoint(mountpoint);
    const held = diff !== undefined && isDiffLocked(diff);
    const served = killed.some(isAlive) || (dataDir !== undefined && findPostmaster(dataDir, remove) !== undefined);
    if (!mounted && !held && !served) break;
    // Copies of the mount in other mount namespaces keep its process, for nobody's sake.
    if (!mounted && !served && thrownAway && mount !== undefined && performance.now() - began > GOES_ON_MS)
      killHard(mount);
    if (performance.now() > deadline) {
      if (stuck.length > 0) throw stillThere(stuck, belongings);
      throw new PbkfsError('mount_busy', `the mount on ${mountpoint ?? dataDir} is still in use`, {
        hint: `end its users and run "pbkfs unmount -D ${shellWord(mountpoint ?? dataDir ?? 'MOUNT')}"`,
      });
    }
    await sleep(POLL_MS);
  }
  for (const directory of remove) rmSync(directory, { recursive: true, force: true });
  if (record !== undefined) rmSync(record, { force: true });
}

/** Whether a process has a file below this directory among its arguments, as a postmaster has its configuration. */
export function isUsed(directory: string): boolean {
  return processIds().some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${directory}/`);
    } catch {
      // Ended meanwhile.
      return false;
    }
  });
}

/**
 * The postmaster that was started with `-D dataDir`; by /proc alone.
 * @param directories only one with its configuration in one of them: on a mount that was there, somebody else's server may run
 * @param isIt whether that process can be it
 */
export function findPostmaster(
  dataDir: string,
  directories?: readonly string[],
  isIt: (pid: number) => boolean = () => true,
): ProcessIdentity | undefined {
  for (const pid of processIds()) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const [, flag, directory] = command.split('\0');
      if (flag !== '-D' || directory !== dataDir) continue;
      if (directories?.some((own) => command.includes(`config_file=${own}/`)) === false) continue;
      if (!isServer(`/proc/${pid}`) || !isIt(pid)) continue;
    } catch {
      // Not ours to look at, or ended meanwhile.
      continue;
    }
    const identity = identityOf(pid);
    if (identity !== undefined && isAlive(identity)) return identity;
  }
  return undefined;
}

/** @returns those of its processes that do not end even then */
async function killServer(
  postmaster: ProcessIdentity,
  { shutdown, killed }: Patience,
): Promise<readonly ProcessIdentity[]> {
  const children = childrenOf(postmaster.pid);
  signal(postmaster, 'SIGQUIT');
  const all = [postmaster, ...children];
  for (const until = performance.now() + shutdown; all.some(isAlive) && performance.now() < until; )
    await sleep(POLL_MS);
  const left = [...(isAlive(postmaster) ? childrenOf(postmaster.pid) : []), ...all];
  return killAll(left, killed);
}

function stillThere(processes: readonly ProcessIdentity[], { mountpoint, remove }: Belongings): PbkfsError {
  const left = [...(mountpoint === undefined ? [] : [mountpoint]), ...remove].join(', ');
  return new PbkfsError('mount_busy', `the server was ${unkilled(processes)}; left behind: ${left}`, {
    hint: 'once these processes have ended, "pbkfs cleanup --sessions" takes that away',
  });
}
