// COPY of a table or a query into a file, through the npm client: needs no program of PostgreSQL.

import { createWriteStream } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { PbkfsError } from '../errors.js';
import type { ConnectionParameters } from '../postgres/server.js';
import { type Child, childrenOf, ROWLESS } from './children.js';
import { type Login, serverError, withClient } from './query.js';
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
  try {
    await withClient(server, login, async (client) => {
      const { source, target } =
        typeof what === 'string' ? { source: `(${what})`, target: '' } : await sourceOf(client, what);
      const options = format === 'csv' ? ' with (format csv, header)' : '';
      if (format === 'script') await appendFile(file, `COPY ${target} FROM stdin;\n`);
      const stream = client.query(to(`copy ${source} to stdout${options}`));
      await pipeline(stream, createWriteStream(file, { flags: 'a' }));
      if (format === 'script') await appendFile(file, '\\.\n\n');
    });
  } catch (error) {
    if (error instanceof PbkfsError) throw error;
    throw explainFailure(serverError(error, `${typeof what === 'string' ? 'the query' : 'COPY'} failed: `), 0);
  }
}

/**
 * What COPY reads, and what it would write: it takes a table by name, with its columns as they are stored, and without the
 * rows of tables that inherit from it; anything else only as a query.
 */
async function sourceOf(
  client: import('pg').Client,
  table: TableName,
): Promise<{ readonly source: string; readonly target: string }> {
  const name = quoted(table);
  const { rows } = await client.query<Pick<Child, 'rowless'> & { relkind: string; columns: string[] }>(
    `select c.relkind, ${ROWLESS}, array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where n.nspname = $1 and c.relname = $2 group by c.oid, c.relkind, c.relpersistence`,
    [table.schema, table.table],
  );
  const found = rows[0];
  if (found === undefined) {
    throw new PbkfsError('server_failed', `database ${table.database} has no table ${name} at that point`, {
      hint: 'choose an earlier --time, or look with: pbkfs start',
    });
  }
  const children = await childrenOf(client, table);
  const without = [{ ...table, rowless: found.rowless }, ...children].find(({ rowless }) => rowless !== null);
  if (without !== undefined) {
    throw new PbkfsError('server_failed', `${quoted(without)} is ${without.rowless} table: no backup has its rows`, {
      hint: 'take tables beside it one by one, or with --query; --format custom and plain dump how it is made',
    });
  }
  const columns = (found.columns ?? []).map(quote).join(', ');
  const target = columns === '' ? name : `${name} (${columns})`;
  const plain = found.relkind === 'r' && children.length === 0;
  return { source: plain ? target : `(select ${columns || '*'} from ${name})`, target };
}
