// What a rescue writes: which file gets which tables, and by which program.

import { existsSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PbkfsError } from '../errors.js';
import { withChildren } from './children.js';
import { type CopyFormat, copyOut } from './copy-out.js';
import { runPgDump } from './pg-dump.js';
import type { Session } from './session.js';
import type { TableName } from './table-name.js';

export type RescueFormat = 'custom' | 'plain' | 'csv' | 'copy';

export interface Wanted {
  readonly tables: readonly TableName[];
  /** Whole, or where the query is asked. */
  readonly database?: string;
  readonly query?: string;
  readonly format?: RescueFormat;
  /** A file; with several files to write a directory. */
  readonly output: string;
}

export interface Job {
  readonly path: string;
  /** @param file is there, and empty */
  run(session: Session, role: string, file: string): Promise<void>;
}

export interface RescuePlan {
  readonly format: RescueFormat;
  readonly jobs: readonly Job[];
}

/**
 * What to write where.
 * @throws PbkfsError usage where two tables would have one file; server_failed where it takes a pg_dump and there is none
 */
export function planRescue(wanted: Wanted, pgDump: string | undefined): RescuePlan {
  const plan = planned(wanted, pgDump);
  const paths = plan.jobs.map(({ path }) => path);
  const twice = paths.find((path, at) => paths.indexOf(path) < at);
  if (twice === undefined) return plan;
  throw new PbkfsError('usage', `several tables or databases would be written to ${twice}`, {
    hint: 'take them one after the other, each with an output of its own',
  });
}

function planned(wanted: Wanted, pgDump: string | undefined): RescuePlan {
  const { query, database, output } = wanted;
  const tables = [...new Map(wanted.tables.map((table) => [JSON.stringify(table), table])).values()];
  const format = wanted.format ?? (query !== undefined ? 'csv' : pgDump === undefined ? 'copy' : 'custom');
  if (query !== undefined) {
    const copied = format as CopyFormat;
    const login = database!;
    const run: Job['run'] = ({ server }, role, file) =>
      copyOut(server.connection, { role, database: login }, query, copied, file);
    return { format, jobs: [{ path: output, run }] };
  }
  if (format === 'csv' || format === 'copy') {
    const path = (table: TableName): string =>
      tables.length === 1 && !isDirectory(output)
        ? output
        : join(output, `${table.database}.${table.schema}.${table.table}.${format}`.replaceAll('/', '_'));
    const jobs = tables.map(
      (table): Job => ({
        path: path(table),
        run: ({ server }, role, file) =>
          copyOut(server.connection, { role, database: table.database }, table, format, file),
      }),
    );
    return { format, jobs };
  }
  const databases = tables.length === 0 ? [database!] : [...new Set(tables.map((table) => table.database))];
  const jobs = databases.map((name): Job => {
    const own = tables.filter((table) => table.database === name);
    const path =
      databases.length === 1 && !isDirectory(output)
        ? output
        : join(output, `${name.replaceAll('/', '_')}.${format === 'custom' ? 'dump' : 'sql'}`);
    return { path, run: (session, role, file) => dump(session, role, name, own, format, file, pgDump) };
  });
  if (pgDump === undefined && (format === 'custom' || tables.length === 0)) {
    throw new PbkfsError('server_failed', 'no pg_dump of the right version was found', {
      hint: 'install the client programs (Debian: postgresql-client-N), or take tables with --format copy, csv or plain',
    });
  }
  return { format, jobs };
}

async function dump(
  session: Session,
  role: string,
  database: string,
  tables: readonly TableName[],
  format: 'custom' | 'plain',
  file: string,
  pgDump: string | undefined,
): Promise<void> {
  const server = session.server.connection;
  if (pgDump !== undefined) {
    const all = tables.length === 0 ? [] : await withChildren(server, { role, database }, tables);
    return runPgDump(pgDump, { server, role, database, tables: all, format, file });
  }
  const why = `-- rows only: no pg_dump of PostgreSQL ${session.binaries.major} was found on this host`;
  await appendFile(file, `${why}\n\nSET client_encoding = 'UTF8';\n\n`);
  for (const table of tables) await copyOut(server, { role, database }, table, 'script', file);
}

/** As the user means it: a name with a slash at its end is one that will be made. */
export function isDirectory(path: string): boolean {
  return path.endsWith('/') || (existsSync(path) && statSync(path).isDirectory());
}
