// pg_dump of the server's major version, where there is one.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import type { ServerBinaries } from '../postgres/find-server.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { SESSION_SETTINGS } from './query.js';
import { explainFailure } from './server-trouble.js';
import { quoted, type TableName } from './table-name.js';

/** Beside the server, in the distributions' directories, in PATH: the first of the same major version. */
export function findPgDump(binaries: ServerBinaries): string | undefined {
  const { binDir, major } = binaries;
  const path = (process.env.PATH ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [binDir, `/usr/lib/postgresql/${major}/bin`, `/usr/pgsql-${major}/bin`, ...path]
    .map((directory) => join(directory, 'pg_dump'))
    .find((program) => existsSync(program) && majorOf(program) === major);
}

export interface DumpOptions {
  readonly server: ConnectionParameters;
  readonly role: string;
  readonly database: string;
  /** The whole database where there are none. */
  readonly tables: readonly TableName[];
  readonly format: 'custom' | 'plain';
  readonly file: string;
}

/** @throws PbkfsError server_failed with what it said */
export async function runPgDump(program: string, options: DumpOptions): Promise<void> {
  const { server, role, database, tables, format, file } = options;
  // Unlogged tables are empty after a restore, and cannot be read while recovery pauses.
  const args = ['-h', server.host, '-p', String(server.port), '-U', role, '-F', format, '-f', file];
  args.push('--no-unlogged-table-data', '--no-password');
  // Each name must be there, not just one of them.
  if (tables.length > 0) args.push('--strict-names');
  for (const table of tables) args.push('-t', quoted(table));
  const child = spawn(program, [...args, '-d', database], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, LC_ALL: 'C', PGOPTIONS: SESSION_SETTINGS },
    // Ctrl-C is for us: the server it reads from ends, and so does it.
    detached: true,
  });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status === 0) return;
  const text = Buffer.concat(said).toString().trim();
  throw explainFailure(new PbkfsError('server_failed', `pg_dump failed: ${text}`), 0);
}

function majorOf(program: string): number {
  try {
    const text = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return Number(/\(PostgreSQL\) (\d+)/.exec(text)?.[1]);
  } catch {
    return Number.NaN;
  }
}
