// Is a cluster undamaged: amcheck by SQL while it runs, pg_checksums when it is stopped.

import type { PostgresServer } from '../../src/postgres/server.js';
import { clientProgram, connected, postgres15 } from './postgres.js';
import { run } from './run.js';

const TABLES = `
  select c.oid::regclass::text as relation, f.blkno, f.offnum, f.attnum, f.msg
  from pg_class c, lateral verify_heapam(c.oid, on_error_stop => false, check_toast => true) f
  where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't'`;
const INDEXES = `
  select c.oid, c.oid::regclass::text as name from pg_class c
  join pg_index i on i.indexrelid = c.oid
  where c.relam = (select oid from pg_am where amname = 'btree') and c.relpersistence <> 't' and i.indisvalid`;

/** What amcheck finds wrong in any heap or B-tree of any database, one line each; every table and index is read. */
export async function amcheckFindings(server: PostgresServer): Promise<string[]> {
  const databases = await connected(server, 'postgres', async (client) => {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database where datallowconn');
    return rows.map(({ datname }) => datname);
  });
  const findings: string[] = [];
  for (const database of databases) {
    await connected(server, database, async (client) => {
      await client.query('create extension if not exists amcheck');
      const { rows: damaged } = await client.query(TABLES);
      for (const row of damaged) findings.push(`${database}: ${JSON.stringify(row)}`);
      const { rows: indexes } = await client.query<{ oid: number; name: string }>(INDEXES);
      for (const { oid, name } of indexes) {
        await client
          .query('select bt_index_check($1::oid::regclass, true)', [oid])
          .catch((error: Error) => findings.push(`${database}: ${name}: ${error.message}`));
      }
    });
  }
  return findings;
}

/** Why amcheck cannot run here; false when it can. For the `skip` option of a test. */
export async function amcheckMissing(server: PostgresServer): Promise<string | false> {
  return connected(server, 'postgres', async (client) => {
    const { rows } = await client.query("select 1 from pg_available_extensions where name = 'amcheck'");
    return rows.length > 0 ? false : 'the server has no amcheck extension (Debian: apt-get install postgresql-15)';
  });
}

/** Runs `pg_checksums --check` on the data directory of a stopped server: its complaints, or none. */
export async function checksumComplaints(dataDir: string): Promise<string> {
  const tool = clientProgram('pg_checksums');
  if ('missing' in tool) throw new Error(tool.missing);
  const result = await run(tool.path, ['--check', '-D', dataDir], { user: postgres15().user, timeout: 300_000 });
  if (result.status === 0 && /Bad checksums:\s+0\s/.test(result.stdout)) return '';
  return `status ${result.status}\n${result.stdout}${result.stderr}`;
}
