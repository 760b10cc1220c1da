// A server's private directory outside its data directory: configuration, access rules, socket, log.

import { chmodSync, chownSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { socketTempDir } from './reachable.js';
import type { PrivateFiles } from './safe-settings.js';
import type { ServerUser } from './server-user.js';

/** Only the server's user and root get in, so whoever can open the socket may connect as anybody (`trust`). */
const HBA = 'local all all trust\nlocal replication all trust\n';
const CONFIG = '# Written by pbkfs: everything is given on the command line.\n';

/** How the names of these directories begin. */
export const PRIVATE_DIR = 'pbkfs-pg-';

export interface PrivateDir extends PrivateFiles {
  readonly path: string;
  readonly logFile: string;
}

/** Makes the directory (mode 0700, owned by `user`) and its files. A short path: sockets allow 107 bytes. */
export function makePrivateDir(user: ServerUser): PrivateDir {
  const path = mkdtempSync(join(socketTempDir(user), PRIVATE_DIR));
  const files: PrivateDir = {
    path,
    socketDir: path,
    configFile: join(path, 'postgresql.conf'),
    hbaFile: join(path, 'pg_hba.conf'),
    identFile: join(path, 'pg_ident.conf'),
    externalPidFile: join(path, 'server.pid'),
    logFile: join(path, 'server.log'),
  };
  try {
    for (const [file, text] of [
      [files.configFile, CONFIG],
      [files.hbaFile, HBA],
      [files.identFile, ''],
      [files.logFile, ''],
    ] as const) {
      writeFileSync(file, text, { mode: 0o600 });
      chownSync(file, user.uid, user.gid);
    }
    chownSync(path, user.uid, user.gid);
    chmodSync(path, 0o700);
  } catch (error) {
    removePrivateDir(files);
    throw error;
  }
  return files;
}

/** A descriptor for the server's standard output and error. */
export function openLog(directory: PrivateDir): number {
  return openSync(directory.logFile, 'a');
}

export function removePrivateDir(directory: PrivateDir): void {
  rmSync(directory.path, { recursive: true, force: true });
}
