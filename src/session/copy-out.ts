// COPY of a table or a query into a file, through the npm client: needs no program of PostgreSQL.

import { createWriteStream } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { PbkfsError } from '../errors.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { connect, type Login, serverError } from './query.js';
import { explainFailure } from './server-trouble.js';
import { quote, quoted, type TableName } from './table-name.js';

/** `script`: COPY … FROM stdin with the data, for psql. */
export type CopyFormat = 'csv' | 'copy' | 'script';

/**
 * @param what a table, or the text of a query, as oneStatement makes it
 * @param file is there already; the rows go behind what is in it
 * @throws PbkfsError server_failed when there is no such table
 */
export async function copyOut(
  server: ConnectionParameters,
  login: Login,
  what: TableName | string,
  format: CopyFormat,
  file: string,
): Promise<void> {
  const { to } = await import('pg-copy-streams');
  const client = await connect(server, login);
  try {
    const source = typeof what === 'string' ? `(${what})` : await sourceOf(client, what);
    const options = format === 'csv' ? ' with (format csv, header)' : '';
    if (format === 'script' && typeof what !== 'string') await appendFile(file, `COPY ${source} FROM stdin;\n`);
    const stream = client.query(to(`copy ${source} to stdout${options}`));
    await pipeline(stream, createWriteStream(file, { flags: 'a' }));
    if (format === 'script') await appendFile(file, '\\.\n\n');
  } catch (error) {
    if (error instanceof PbkfsError) throw error;
    throw explainFailure(serverError(error, `${typeof what === 'string' ? 'the query' : 'COPY'} failed: `), 0);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** COPY takes an ordinary table by name, with its columns as they are stored; anything else only as a query. */
async function sourceOf(client: import('pg').Client, table: TableName): Promise<string> {
  const name = quoted(table);
  const { rows } = await client.query<{ relkind: string; columns: string[] }>(
    `select c.relkind, array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where n.nspname = $1 and c.relname = $2 group by c.relkind`,
    [table.schema, table.table],
  );
  const found = rows[0];
  if (found === undefined) {
    throw new PbkfsError('server_failed', `database ${table.database} has no table ${name} at that point`, {
      hint: 'choose an earlier --time, or look with: pbkfs start',
    });
  }
  const columns = (found.columns ?? []).map(quote).join(', ');
  return found.relkind === 'r' ? `${name} (${columns})` : `(select ${columns || '*'} from ${name})`;
}
