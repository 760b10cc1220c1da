// The partitions of tables, and the tables that inherit from them: a dump holds rows of these only where it names them.

import type { Client } from 'pg';
import type { ConnectionParameters } from '../postgres/server.js';
import { type Login, withClient } from './query.js';
import { quoted, type TableName } from './table-name.js';

export interface Child extends TableName {
  /** Why no backup has its rows; null where it has. */
  readonly rowless: 'a foreign' | 'an unlogged' | null;
}

/** The same in SQL, of a row `c` of pg_class; before 18 a partitioned table may say that it is unlogged, which means nothing. */
export const ROWLESS = `case when c.relkind = 'f' then 'a foreign'
  when c.relpersistence = 'u' and c.relkind <> 'p' then 'an unlogged' end as rowless`;

/** A table with all below it; by itself where it has none, or is not there. */
const FAMILY = `with recursive family(oid) as (
    select to_regclass($1)::oid union select inhrelid from pg_inherits join family on inhparent = family.oid)
  select n.nspname as schema, c.relname as table, ${ROWLESS} from family join pg_class c using (oid)
  join pg_namespace n on n.oid = c.relnamespace where c.oid <> to_regclass($1) order by 1, 2`;

/** Each once. @throws PbkfsError server_failed */
export async function withChildren(
  server: ConnectionParameters,
  login: Login,
  tables: readonly TableName[],
): Promise<TableName[]> {
  const all = new Map<string, TableName>();
  await withClient(server, login, async (client) => {
    for (const table of tables) {
      for (const one of [table, ...(await childrenOf(client, table))]) all.set(quoted(one), one);
    }
  });
  return [...all.values()];
}

/** Also those of its children. */
export async function childrenOf(client: Client, table: TableName): Promise<Child[]> {
  const found = await client.query<Omit<Child, 'database'>>(FAMILY, [quoted(table)]);
  return found.rows.map((child) => ({ database: table.database, ...child }));
}
