// PostgreSQL 15 for tests: the server of this machine, clusters, queries, client programs.

import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { findServer, type ServerBinaries } from '../../src/postgres/find-server.js';
import { reachableTempDir } from '../../src/postgres/reachable.js';
import type { PostgresServer } from '../../src/postgres/server.js';
import { type ServerUser, serverUser } from '../../src/postgres/server-user.js';
import { type StartOptions, startServer } from '../../src/postgres/start-server.js';
import { runOk } from './run.js';
import { swept } from './swept.js';

export const MAJOR: number = 15;

/** What a test needs of tap: to clean up after itself. */
export interface Teardown {
  teardown(handler: () => unknown): void;
}

/** The major versions that tests have servers of: the npm packages pg13 to pg18 are dev dependencies. */
export const MAJORS = [13, 14, 15, 16, 17, 18] as const;

interface Installed {
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
}

const found = new Map<number, Installed>();

/** A server of that major version and the user it runs as; of {@link MAJORS} it is always there. */
export function postgresOf(major: number): Installed {
  let installed = found.get(major);
  if (installed === undefined) {
    const user = serverUser();
    installed = { user, binaries: findServer({ major, user }) };
    found.set(major, installed);
  }
  return installed;
}

export function postgres15(): Installed {
  return postgresOf(MAJOR);
}

/** The path of a client program of PostgreSQL 15, or a sentence saying what to install: the reason of a skip. */
export function clientProgram(name: string): { path: string } | { missing: string } {
  const path = join(postgres15().binaries.binDir, name);
  return existsSync(path) ? { path } : { missing: `${name} is not installed (Debian: apt-get install postgresql-15)` };
}

/** A temporary directory of the server's user (0700), removed at the end of the test. */
export function serverTempDir(t: Teardown, user = postgres15().user): string {
  const directory = swept(mkdtempSync(join(reachableTempDir(user), 'pbkfs-test-')));
  chownSync(directory, user.uid, user.gid);
  chmodSync(directory, 0o700);
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Makes a directory that belongs to the server's user. @returns its path */
export function serverDirectory(path: string, mode = 0o755): string {
  const { uid, gid } = postgres15().user;
  mkdirSync(path, { mode });
  chownSync(path, uid, gid);
  return path;
}

/** initdb into an existing empty directory that the server's user owns. */
export async function initdb(
  dataDir: string,
  args: readonly string[] = [],
  checksums = true,
  major = MAJOR,
): Promise<void> {
  const { binaries, user } = postgresOf(major);
  const fixed = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8'];
  if (checksums) fixed.push('-k');
  await runOk(join(binaries.binDir, 'initdb'), [...fixed, ...args], { user });
}

/** A new cluster on the ordinary file system; its data directory. */
export async function newCluster(t: Teardown, args: readonly string[] = [], major = MAJOR): Promise<string> {
  const { user } = postgresOf(major);
  const dataDir = join(serverTempDir(t), 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  chownSync(dataDir, user.uid, user.gid);
  await initdb(dataDir, ['--no-sync', ...args], true, major);
  return dataDir;
}

/** Starts PostgreSQL 15 on a data directory; it is crashed at the end of the test if it still runs. */
export async function start(
  t: Teardown,
  dataDir: string,
  options: Partial<Omit<StartOptions, 'dataDir'>> = {},
): Promise<PostgresServer> {
  const server = await startServer({ dataDir, ...postgres15(), ...options });
  t.teardown(() => server.crash());
  if (options.socketDir === undefined) swept(server.connection.host);
  return server;
}

/** A client of `server`; ends with the callback. */
export async function connected<T>(
  server: Pick<PostgresServer, 'connection'>,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ ...server.connection, user: 'postgres', database });
  // A crash of the server is for the test to notice by its queries, not an uncaught 'error' event.
  client.on('error', () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Runs one statement; the first column of the first row as text (empty without rows). */
export function query(server: Pick<PostgresServer, 'connection'>, sql: string, database = 'postgres'): Promise<string> {
  return connected(server, database, async (client) => {
    const result = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return String(result.rows[0]?.[0] ?? '');
  });
}
