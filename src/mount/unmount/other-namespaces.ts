// Copies of a mount in other mount namespaces (containers, `unshare --mount`): unmounting here leaves them, and with them
// the process that serves it. Reads /proc only, never the mount.

import { byteString, displayPath } from '../../backup/byte-path.js';
import { mountsOf, namespaceOf } from '../../sys/mount-namespace.js';
import { isOurs, type MountEntry, readMounts } from '../../sys/mountinfo.js';
import { processIds } from '../../sys/process-identity.js';
import { commandOf } from '../holders.js';
import { ownerOf } from '../mounted.js';

const MOST_NAMED = 8;

/** One mount namespace that still has the mount. */
export interface Elsewhere {
  /** A process of that namespace. */
  readonly pid: number;
  readonly command: string;
  /** Where the mount is there, as an ordinary string. */
  readonly mountpoint: string;
}

/** What is known of a mount that is off its directory here. */
export interface Gone {
  readonly mountpoint: string;
  /** Its `major:minor`, where that is known; without it the mount point alone tells. */
  readonly device?: string | undefined;
}

/** The other mount namespaces in which it is still mounted. Those of other users are seen by root only. */
function findElsewhere(gone: Gone): Elsewhere[] {
  const seen = new Set([namespaceOf('self')]);
  const found: Elsewhere[] = [];
  for (const pid of processIds()) {
    const namespace = namespaceOf(pid);
    if (namespace === undefined || seen.has(namespace)) continue;
    seen.add(namespace);
    const entry = mountsOf(pid).find((mount) => isThat(gone, mount));
    if (entry === undefined) continue;
    found.push({ pid, command: commandOf(`/proc/${pid}`), mountpoint: displayPath(entry.mountPoint) });
  }
  return found;
}

/** For messages: one process a namespace, with the path there where it is another one. */
export function describeElsewhere(gone: Gone): string | undefined {
  const found = findElsewhere(gone);
  if (found.length === 0) return undefined;
  const lines = found.slice(0, MOST_NAMED).map(({ pid, command, mountpoint }) => {
    return `process ${pid} (${command})${mountpoint === gone.mountpoint ? '' : ` on ${mountpoint}`}`;
  });
  return (found.length > MOST_NAMED ? [...lines, `${found.length - MOST_NAMED} more`] : lines).join('; ');
}

/** Where in this namespace the mount of that number is, if it has one. */
export function placesOf(device: string | undefined): string[] {
  return readMounts()
    .filter((mount) => isOurs(mount) && mount.device === device)
    .map((mount) => displayPath(mount.mountPoint));
}

/** Where bind mounts of one that is gone are left: the number may be another one's by now, which has a process of its own. */
export function findCopies({ device }: Gone): string[] {
  return placesOf(device).filter((path) => ownerOf(path) === undefined);
}

function isThat(gone: Gone, mount: MountEntry): boolean {
  if (!isOurs(mount)) return false;
  return gone.device === undefined ? mount.mountPoint === byteString(gone.mountpoint) : mount.device === gone.device;
}
