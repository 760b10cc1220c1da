// What a session has made, recorded beside the registry of mounts, for the case that its process and its guard are both killed.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { given } from '../given.js';
import { findRegistered, privateDirectories, writableDirectory } from '../mount/registry.js';
import { replaceFile } from '../sys/durable-file.js';
import { identityOf, isAlive, type ProcessIdentity, sameProcess, selfIdentity } from '../sys/process-identity.js';
import { readJson } from '../sys/read-json.js';
import { type Belongings, cleanUp } from './clean-up.js';
import { removeUnstopped } from './started.js';

interface RecordedSession {
  /** The records may lie in a home directory that several hosts share. */
  readonly host: string;
  /** The session and its guard: as long as one of them lives it is their business. */
  readonly processes: readonly ProcessIdentity[];
  readonly belongings: Belongings;
}

const SUFFIX = '.session';

/** The file of this process; undefined where nothing can be kept. */
export function recordFile(): string | undefined {
  const directory = writableDirectory();
  const { pid, startTime } = selfIdentity();
  return directory && join(directory, `${pid}-${startTime}${SUFFIX}`);
}

/** Writes the record whole or not at all. Where it cannot be written (a full disk), the session goes on without it. */
export function writeRecord(guard: number | undefined, belongings: Belongings): void {
  if (belongings.record === undefined) return;
  const found = guard === undefined ? undefined : identityOf(guard);
  const recorded: RecordedSession = {
    host: hostname(),
    processes: [selfIdentity(), ...(found === undefined ? [] : [found])],
    belongings,
  };
  try {
    replaceFile(belongings.record, JSON.stringify(recorded));
  } catch {
    // The guard knows.
  }
}

export interface TakenAway {
  /** What the session had made, as far as it was still there. */
  readonly paths: readonly string[];
  /** Named by somebody who may use them again: not touched. */
  readonly left: readonly string[];
}

/**
 * Takes away what sessions have left whose processes were all killed, and started servers whose mount was not taken away by
 * `stop`. @throws PbkfsError mount_busy
 */
export async function cleanUpAbandoned(): Promise<TakenAway[]> {
  const unstopped = removeUnstopped();
  const taken: TakenAway[] = unstopped.length === 0 ? [] : [{ paths: unstopped, left: [] }];
  for (const directory of privateDirectories()) {
    // What replaceFile leaves of a process that is killed before it has given the file its name.
    for (const name of readdirSync(directory).filter((entry) => entry.endsWith('.tmp')))
      removeIfOld(join(directory, name));
    for (const name of readdirSync(directory).filter((entry) => entry.endsWith(SUFFIX))) {
      const file = join(directory, name);
      const recorded = readJson<RecordedSession>(file);
      if (recorded?.host !== hostname() || recorded.processes.some(isAlive)) continue;
      const ours = stillOurs(recorded.belongings);
      await cleanUp(ours);
      rmSync(file, { force: true });
      const left = recorded.belongings.remove.filter((path) => !ours.remove.includes(path));
      const paths = [ours.mountpoint, ...ours.remove].filter((path) => path !== undefined);
      taken.push({ paths: paths as string[], left });
    }
  }
  return taken;
}

/**
 * What of it certainly still belongs to the session: directories with names that we invented; one that somebody named only
 * while the recorded process of the mount or of the server is there, since it may have been used again.
 */
function stillOurs(belongings: Belongings): Belongings {
  const { mountpoint, dataDir, mount, server, remove } = belongings;
  const invented = remove.filter((path) => /^pbkfs-(session|pg)-/.test(basename(path)) || path.endsWith('.pbkfs-part'));
  const within = (path: string): boolean => invented.some((base) => path.startsWith(`${base}/`));
  const registered = mountpoint === undefined ? undefined : findRegistered(mountpoint);
  const isMount = mount !== undefined && registered !== undefined && sameProcess(registered, mount);
  const isServer = server !== undefined && isAlive(server);
  return {
    remove: isMount || isServer ? remove : invented,
    ...(mountpoint !== undefined && (isMount || within(mountpoint)) ? { mountpoint } : {}),
    // Of whatever runs there, only a server with its configuration in one of the directories above.
    ...given({ dataDir }),
  };
}

/** Nobody writes one of these small files for as long as this, in ms. */
const UNFINISHED_MS = 10 * 60 * 1000;

function removeIfOld(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found !== undefined && found.mtimeMs < Date.now() - UNFINISHED_MS) rmSync(file, { force: true });
}
