// What is mounted where, as /proc/self/mountinfo tells it: the one source that never touches the mounts themselves.

import { readFileSync } from 'node:fs';
import { FUSE_TYPE } from './fuse-device.js';
import { noProc } from './process-identity.js';

/** One line of mountinfo(5). Paths are byte strings (latin1). */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** Device number as `major:minor` in decimal. */
  readonly device: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  /** Of a FUSE mount: who mounted it. */
  readonly mounter?: { readonly uid: number; readonly gid: number };
}

/** The mounts this process sees, in the order of the kernel: of several on one directory the last is on top. */
export function readMounts(): MountEntry[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'latin1');
  } catch (error) {
    throw noProc(error);
  }
  return parseMountinfo(text);
}

/**
 * Parses the text of mountinfo(5):
 *
 *     36 35 98:0 /mnt1 /mnt/parent\040mount rw,noatime master:1 - ext3 /dev/root rw,errors=continue
 *     id parent device root mountpoint options [optional fields …] - type source super-options
 */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash === -1) continue;
    const [id, parentId, device = '', , mountPoint = ''] = fields;
    const [type = '', source = '', superOptions = ''] = fields.slice(dash + 1);
    const [, uid, gid] = /(?:^|,)user_id=(\d+),group_id=(\d+)/.exec(superOptions) ?? [];
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      mountPoint: unescapePath(mountPoint),
      type,
      source: unescapePath(source),
      ...(uid === undefined ? {} : { mounter: { uid: Number(uid), gid: Number(gid) } }),
    });
  }
  return entries;
}

/** The kernel writes blank, tab, newline, backslash and hash as three octal digits. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The topmost mount exactly on `directory` (latin1), if any. */
export function mountAt(entries: readonly MountEntry[], directory: string): MountEntry | undefined {
  return entries.findLast((entry) => entry.mountPoint === directory);
}

/** What is mounted on that very directory now. @param path absolute, without symbolic links */
export function mountOn(path: string): MountEntry | undefined {
  return mountAt(readMounts(), Buffer.from(path).toString('latin1'));
}

/** Whether something is. */
export function isMountPoint(path: string): boolean {
  return mountOn(path) !== undefined;
}

/** The mount that the path (latin1) belongs to: the one on its nearest ancestor or itself. */
export function mountContaining(entries: readonly MountEntry[], path: string): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const entry of entries) {
    const prefix = entry.mountPoint === '/' ? '/' : `${entry.mountPoint}/`;
    const contains = path === entry.mountPoint || path.startsWith(prefix);
    if (contains && entry.mountPoint.length >= (best?.mountPoint.length ?? 0)) best = entry;
  }
  return best;
}

export function isOurs(entry: MountEntry): boolean {
  return entry.type === FUSE_TYPE;
}
