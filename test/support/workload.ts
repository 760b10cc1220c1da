// What databases do to their files: create, copy, truncate, rewrite, drop; with the answers that must hold afterwards.

import type { PostgresServer } from '../../src/postgres/server.js';
import type { Answers } from './answers.js';
import { connected } from './postgres.js';

export const DATABASE = 'pbkfs_workload';

/** Statements in a database of their own, which `template` (a database of the backup) is the template of. */
const STATEMENTS = [
  `create table copied(n int primary key, word text)`,
  `copy copied(n) from program 'seq 1 60000'`,
  `update copied set word = md5(n::text) where n % 3 = 0`,
  `create index on copied(word)`,

  `create table truncated as select generate_series(1, 20000) as n`,
  `truncate truncated`,
  `insert into truncated select generate_series(1, 10)`,

  `create table rewritten as select n, repeat('x', 200) as filler from generate_series(1, 20000) n`,
  `delete from rewritten where n % 10 <> 0`,
  `vacuum full rewritten`,

  `create table shrunk as select n, repeat('y', 200) as filler from generate_series(1, 20000) n`,
  `delete from shrunk where n > 100`,
  `vacuum (truncate) shrunk`,
  `insert into shrunk select n, 'again' from generate_series(101, 3000) n`,

  `create table dropped as select * from copied`,
  `drop table dropped`,
  `create unlogged table unlogged as select 1 as n`,
  `checkpoint`,
];

/** Runs everything; the answers the cluster must give from now on, whatever happens to it. */
export async function runWorkload(server: PostgresServer, template: string): Promise<Answers> {
  await connected(server, 'postgres', async (client) => {
    await client.query(`create database pbkfs_dropped template ${quote(template)}`);
    await client.query(`create database ${DATABASE} template ${quote(template)}`);
    await client.query('drop database pbkfs_dropped');
  });
  await connected(server, DATABASE, async (client) => {
    for (const statement of STATEMENTS) await client.query(statement);
  });
  return {
    postgres: { "select count(*)::text from pg_database where datname = 'pbkfs_dropped'": '0' },
    [DATABASE]: {
      "select count(*) || '/' || sum(n) || '/' || count(word) from copied": '60000/1800030000/20000',
      "select n::text from copied where word = md5('42')": '42',
      'select sum(n)::text from truncated': '55',
      "select count(*) || '/' || sum(n) from rewritten": '2000/20010000',
      "select count(*) || '/' || sum(n) from shrunk": '3000/4501500',
      "select coalesce(to_regclass('dropped')::text, 'gone')": 'gone',
    },
  };
}

/**
 * Commits `count` rows one by one in the workload's database, numbered on from those there are; the last number. A row
 * whose number was returned must never be lost.
 */
export async function insertRows(server: PostgresServer, table: string, count: number): Promise<number> {
  return connected(server, DATABASE, async (client) => {
    await client.query(`create table if not exists ${quote(table)}(n int, filler text)`);
    let last = 0;
    for (let i = 0; i < count; i++) {
      const { rows } = await client.query<{ n: number }>(
        `insert into ${quote(table)} select coalesce(max(n), 0) + 1, repeat('z', 500) from ${quote(table)} returning n`,
      );
      last = rows[0].n;
    }
    return last;
  });
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
