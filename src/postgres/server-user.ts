// Which system user runs PostgreSQL: the server refuses to run as root.

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

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
    const self = userInfo();
    return { uid: self.uid, gid: self.gid, name: self.username };
  }
  return passwdEntry('postgres') ?? passwdEntry('nobody') ?? NOBODY;
}

/** `uid`/`gid` for child_process.spawn: nothing to change when we already are that user. */
export function spawnIds(user: ServerUser): { uid?: number; gid?: number } {
  return process.getuid?.() === user.uid ? {} : { uid: user.uid, gid: user.gid };
}

function passwdEntry(name: string): ServerUser | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) return undefined;
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid), name };
}
