// A server's private directory outside its data directory: configuration, access rules, socket, log.

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
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

/** A path for one that nobody has: whoever cleans up is told before it is made. Short: sockets allow 107 bytes. */
export function newPrivatePath(user: ServerUser): string {
  const unique = randomBytes(6).toString('base64url').slice(0, 6);
  return join(socketTempDir(user), `${PRIVATE_DIR}${unique}`);
}

/** Makes the directory (mode 0700, owned by `user`) and its files. @throws PbkfsError no_place */
export function makePrivateDir(path: string, user: ServerUser): PrivateDir {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    throw unmade(path, error);
  }
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
    throw unmade(path, error);
  }
  return files;
}

/** The same error, or what to do where the place for it is full or read-only. */
function unmade(path: string, error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'].includes(code)) return error;
  return new PbkfsError('no_place', `no directory ${path} for the socket and log of the server: ${message}`, {
    hint: 'TMPDIR may name another place',
    cause: error,
  });
}

/** A descriptor for the server's standard output and error. */
export function openLog(directory: PrivateDir): number {
  return openSync(directory.logFile, 'a');
}

export function removePrivateDir(directory: PrivateDir): void {
  rmSync(directory.path, { recursive: true, force: true });
}
