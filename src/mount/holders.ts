// Who keeps a mount busy, found in /proc without a single system call on the mount itself (it may be dead or hung).

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { displayPath } from '../backup/byte-path.js';
import { isRoot } from '../sys/fuse-mount.js';
import { type MountEntry, readMounts } from '../sys/mountinfo.js';
import { processIds } from '../sys/process-identity.js';

export interface Holder {
  readonly pid: number;
  readonly command: string;
  /** What it holds: `cwd`, `root`, `exe`, `mapped`, `open`, each followed by the path. */
  readonly uses: readonly string[];
}

/** open(2) flag that Node does not name, asm-generic/fcntl.h. */
const O_PATH = 0o10000000;

/**
 * The processes that use a mount. Needs root to see the processes of others.
 * @param mount of readMounts()
 */
export function findHolders(mount: MountEntry): Holder[] {
  const holders: Holder[] = [];
  for (const pid of processIds()) {
    const uses = usesOf(`/proc/${pid}`, mount);
    if (uses.length > 0) holders.push({ pid, command: commandOf(`/proc/${pid}`), uses });
  }
  return holders;
}

/** Other mounts on directories of this one: they keep it busy as well. */
function findSubmounts(mount: MountEntry): string[] {
  return readMounts()
    .filter((entry) => entry.parentId === mount.id && entry.id !== mount.id)
    .map((entry) => displayPath(entry.mountPoint));
}

/** One line a holder, at most `limit` of them, for messages. */
export function describeHolders(mount: MountEntry, limit = 8): string {
  const lines = findHolders(mount).map(({ pid, command, uses }) => {
    const more = uses.length > 1 ? ` and ${uses.length - 1} more` : '';
    return `process ${pid} (${command}): ${uses[0]}${more}`;
  });
  for (const path of findSubmounts(mount)) lines.push(`a mount on ${path}`);
  if (lines.length === 0) {
    const others = isRoot() ? '' : ' (run as root to see all processes)';
    return `nobody that can be seen${others}`;
  }
  const rest = lines.length - limit;
  return (rest > 0 ? [...lines.slice(0, limit), `${rest} more`] : lines).join('; ');
}

function usesOf(process: string, mount: MountEntry): string[] {
  const uses: string[] = [];
  const check = (what: string, link: string, mountId: () => number | undefined): void => {
    const target = linkText(link);
    // The text alone would also accuse a shell that sits in the directory underneath the mount.
    if (target === undefined || !isOn(mount, target)) return;
    if ((mountId() ?? mount.id) === mount.id) uses.push(`${what} ${displayPath(target)}`);
  };
  for (const what of ['cwd', 'root', 'exe'])
    check(what, `${process}/${what}`, () => mountIdOfLink(`${process}/${what}`));
  for (const fd of namesIn(`${process}/fd`)) {
    check('open', `${process}/fd/${fd}`, () => mountIdOf(`${process}/fdinfo/${fd}`));
  }
  for (const path of mappedFiles(process, mount)) uses.push(`mapped ${displayPath(path)}`);
  return uses;
}

/** The mount a /proc link leads to. O_PATH opens no file: the file system behind it is not asked anything. */
export function mountIdOfLink(link: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(link, O_PATH);
  } catch {
    return undefined;
  }
  try {
    return mountIdOf(`/proc/self/fdinfo/${fd}`);
  } finally {
    closeSync(fd);
  }
}

function mountIdOf(fdinfo: string): number | undefined {
  const id = /^mnt_id:\s*(\d+)/m.exec(read(fdinfo))?.[1];
  return id === undefined ? undefined : Number(id);
}

/** Mappings outlive their descriptors; /proc/PID/maps names the device of each: `… r--s 00000000 00:2d 17  /path`. */
function mappedFiles(process: string, mount: MountEntry): Set<string> {
  const paths = new Set<string>();
  const [major, minor] = mount.device.split(':').map((part) => Number(part).toString(16).padStart(2, '0'));
  for (const line of read(`${process}/maps`).split('\n')) {
    const [, device, path] = /^\S+ \S+ \S+ (\S+) \d+ +(.*)$/.exec(line) ?? [];
    if (device === `${major}:${minor}` && path !== undefined) paths.add(path);
  }
  return paths;
}

/** Whether the text of a /proc link (latin1) names something on the mount. */
export function isOn(mount: MountEntry, target: string): boolean {
  // A file that was unlinked while open has this appended; the path before it is still the right one.
  const path = target.replace(/ \(deleted\)$/, '');
  return path === mount.mountPoint || path.startsWith(`${mount.mountPoint}/`);
}

/** Command line of a process, shortened, on one line. @param process its directory in /proc */
export function commandOf(process: string): string {
  const command = read(`${process}/cmdline`)
    .replace(/[\0-\x20\x7f]+/g, ' ')
    .trim()
    .slice(0, 60);
  return displayPath(command || read(`${process}/comm`).trim());
}

// A process may end while it is looked at, and those of others may be closed to us: both count as holding nothing.

/** Where a link leads, as latin1. */
export function linkText(path: string): string | undefined {
  try {
    return readlinkSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Names in a directory. */
export function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
