// A PostgreSQL cluster with the tables of pgbench, as plain files and as a chain of backups; made once a run.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PostgresServer } from '../../src/postgres/server.js';
import { spawnIds } from '../../src/postgres/server-user.js';
import type { MountTarget } from '../../test/support/mount.js';
import {
  clientProgram,
  initdb,
  MAJOR,
  postgres15,
  postgresOf,
  query,
  start,
  type Teardown,
} from '../../test/support/postgres.js';
import { runOk } from '../../test/support/run.js';
import { type ClusterChainSpec, writeClusterChain } from '../catalog/cluster-chain.js';
import type { Context } from './context.js';
import type { Stage } from './stage.js';

export interface Cluster {
  readonly target: MountTarget;
  /** Shut down. Never changed. */
  readonly truth: string;
  /** Version of PostgreSQL. */
  readonly major: number;
}

/** A server, for those who only ask it. */
export type Reachable = Pick<PostgresServer, 'connection'>;

const SERVER = fileURLToPath(new URL('../programs/server.js', import.meta.url));

/** What a server is given to work with, on every side alike. */
const SETTINGS = {
  shared_buffers: '128MB',
  maintenance_work_mem: '256MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
};

/** A backup has only the WAL that it needs, none that waits to be used again. */
const WITHOUT_SPARE_WAL = { wal_recycle: 'off', min_wal_size: '32MB' };

/** Stopped at the end of the stage, if not before. @param major version of the server */
export function startOn(
  stage: Teardown,
  dataDir: string,
  more: Readonly<Record<string, string>> = {},
  major = MAJOR,
): Promise<PostgresServer> {
  return start(stage, dataDir, { ...postgresOf(major), settings: { ...SETTINGS, ...more } });
}

/** The same where root may not look: in a mount of PostgreSQL's user. Stopped with the stage. */
export async function startAsUser(stage: Teardown, dataDir: string): Promise<Reachable> {
  const { user } = postgres15();
  const child = spawn(process.execPath, [SERVER, dataDir, JSON.stringify(SETTINGS)], {
    ...spawnIds(user),
    cwd: '/',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  stage.teardown(async () => {
    child.stdin.end();
    await ended;
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer | number | null];
  if (!Buffer.isBuffer(line)) throw new Error(`no server on ${dataDir}: ${said}`);
  return { connection: JSON.parse(line.toString()) as Reachable['connection'] };
}

export interface ClusterSpec {
  /** Of pgbench; 0: no tables. */
  readonly scale: number;
  readonly more?: ClusterChainSpec['more'];
  readonly major?: number;
}

export async function makeCluster(stage: Stage, { scale, more, major = MAJOR }: ClusterSpec): Promise<Cluster> {
  const truth = serverDirectory(stage, 'cluster');
  await initdb(truth, ['--no-sync'], true, major);
  const server = await startOn(stage, truth, WITHOUT_SPARE_WAL, major);
  await query(server, 'create database bench');
  if (scale > 0) await pgbench(server, ['-i', '-q', '-s', String(scale)]);
  await query(server, 'vacuum freeze', 'bench');
  await server.stop();
  const spec = { dataDir: truth, catalog: stage.make('catalog'), instance: 'main', alg: 'zlib', layers: 4 } as const;
  return { truth, major, target: writeClusterChain(more === undefined ? spec : { ...spec, more }) };
}

/** The cluster of the cases that run PostgreSQL: scale 50, or 5 in a quick run. */
export function pgbenchCluster(context: Context): Promise<Cluster> {
  return context.once('cluster', (stage) => makeCluster(stage, { scale: context.size(50, 5) }));
}

/** An empty directory that PostgreSQL's user owns. */
export function serverDirectory(stage: Stage, name: string): string {
  const { user } = postgres15();
  const directory = stage.make(name);
  chownSync(directory, user.uid, user.gid);
  chmodSync(directory, 0o700);
  return directory;
}

/** Runs pgbench on the database bench; what it prints. @throws Error where the program is missing or fails */
export async function pgbench(server: Reachable, args: readonly string[]): Promise<string> {
  const program = clientProgram('pgbench');
  if ('missing' in program) throw new Error(program.missing);
  const { host, port } = server.connection;
  const where = ['-h', host, '-p', String(port), '-U', 'postgres', 'bench'];
  return runOk(program.path, [...args, ...where], { timeout: 600_000 });
}
