// What the demo needs of the machine it runs on.

import { accessSync, constants, existsSync } from 'node:fs';
import { type FindServerOptions, findServer } from '../src/postgres/find-server.js';
import { serverUser } from '../src/postgres/server-user.js';

/** What is missing, as sentences that say how to get it; empty when the demo can run. */
export function missingParts(): string[] {
  const missing: string[] = [];
  const require = (present: boolean, sentence: string): void => {
    if (!present) missing.push(sentence);
  };
  require(process.platform === 'linux', 'Linux: pbkfs speaks the FUSE protocol of its kernel');
  require(process.getuid?.() ===
    0, 'root: mounting for another user (PostgreSQL refuses to run as root) needs it; use sudo');
  require(existsSync(
    '/dev/fuse',
  ), '/dev/fuse: `modprobe fuse`; in a container also --device /dev/fuse --cap-add SYS_ADMIN');
  require(canOpen('/dev/fuse') ||
    !existsSync('/dev/fuse') ||
    process.getuid?.() !== 0, 'the permission to open /dev/fuse (in a container: --device /dev/fuse)');
  require(hasServer({
    major: 15,
    user: serverUser(),
  }), 'a PostgreSQL 15 server: `npm ci` brings one for x86-64; else apt-get install postgresql-15');
  return missing;
}

function canOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function hasServer(options: FindServerOptions): boolean {
  try {
    findServer(options);
    return true;
  } catch {
    return false;
  }
}
