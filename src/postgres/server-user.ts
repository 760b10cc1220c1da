// Which system user runs PostgreSQL: the server refuses to run as root.

import { userInfo } from 'node:os';
import { PbkfsError } from '../errors.js';
import { readIfThere } from '../sys/read-if-there.js';

/** A system user by its numeric ids; `name` is for messages. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

const NOBODY: ServerUser = { uid: 65534, gid: 65534, name: 'nobody' };

/**
 * The user for a server started by this process. As root: `postgres`, or `nobody` where that user does not exist.
 * Otherwise ourselves: only root may change uid.
 */
export function serverUser(): ServerUser {
  if (process.getuid?.() !== 0) {
    const uid = process.getuid?.() ?? NOBODY.uid;
    return { uid, gid: process.getgid?.() ?? NOBODY.gid, name: nameOf(uid) };
  }
  return passwdEntry('postgres') ?? passwdEntry('nobody') ?? NOBODY;
}

/** `uid`/`gid` for child_process.spawn: nothing to change when we already are that user. */
export function spawnIds(user: ServerUser): { uid?: number; gid?: number } {
  return process.getuid?.() === user.uid ? {} : { uid: user.uid, gid: user.gid };
}

/** Root in a container or a user namespace may not have what it takes. @param cause a system error of chown(2) or setuid(2) */
export function cannotBecome(user: ServerUser, cause: unknown): PbkfsError {
  const { code } = cause as NodeJS.ErrnoException;
  return new PbkfsError('server_failed', `root may not act for user ${user.name} (${user.uid}) here: ${code}`, {
    hint: 'PostgreSQL does not run as root: pbkfs needs CAP_CHOWN, CAP_SETUID and CAP_SETGID, and in a user namespace that user must be mapped; or run pbkfs as another user than root',
    cause,
  });
}

/** Its number where the user database does not know it, as in many containers: the server does without. */
function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function passwdEntry(name: string): ServerUser | undefined {
  const line = (readIfThere('/etc/passwd')?.toString('utf8') ?? '')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) return undefined;
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid), name };
}
