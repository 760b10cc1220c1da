// COPY of tables by a server: what comes out is what psql reads back, and rows that no backup has are never missing quietly.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { PostgresServer } from '../../src/postgres/server.js';
import { copyOut } from '../../src/session/copy-out.js';
import { planRescue } from '../../src/session/rescue-plan.js';
import type { Session } from '../../src/session/session.js';
import { parseTableName } from '../../src/session/table-name.js';
import { newCluster, postgres15, query, start } from '../support/postgres.js';

const ROLE = 'postgres';
let server: PostgresServer;
let file: string;

t.before(async () => {
  server = await start(t, await newCluster(t), { settings: { fsync: 'off' } });
});

t.beforeEach((t) => {
  file = join(t.testdir(), 'out');
  writeFileSync(file, '');
});

t.test('a script says in which encoding it is', async (t) => {
  await query(server, `create database windows encoding 'WIN1251' template template0`);
  await query(server, `create table words as select 'слово'::text as word`, 'windows');
  const tables = [parseTableName('windows.public.words', undefined)];
  const { jobs } = planRescue({ tables, format: 'plain', output: file }, undefined);
  await jobs[0]!.run({ server, binaries: postgres15().binaries } as Session, ROLE, file);
  t.equal(
    readFileSync(file, 'utf8'),
    `-- rows only: no pg_dump of PostgreSQL 15 was found on this host

SET client_encoding = 'UTF8';

COPY "public"."words" ("word") FROM stdin;
слово
\\.

`,
  );
});

t.test('rows that no backup has are named, wherever below the table they would be', async (t) => {
  for (const sql of [
    'create table days(day int) partition by range (day)',
    'create table days_1 partition of days for values from (1) to (5) partition by range (day)',
    'create unlogged table "Days 1" partition of days_1 for values from (1) to (5)',
    'create unlogged table parted(day int) partition by range (day)',
    'create table parted_1 partition of parted for values from (1) to (5)',
    'insert into parted values (1)',
  ])
    await query(server, sql);
  const copied = (name: string) =>
    copyOut(server.connection, { role: ROLE }, parseTableName(name, 'postgres'), 'csv', file);
  await t.rejects(copied('public.days'), {
    code: 'server_failed',
    message: '"public"."Days 1" is an unlogged table: no backup has its rows',
  });
  await t.rejects(copied('public."Days 1"'), { message: /^"public"\."Days 1" is an unlogged table/ });
  t.equal(readFileSync(file, 'utf8'), '');
  await copied('public.parted');
  t.equal(readFileSync(file, 'utf8'), 'day\n1\n', 'only what it is made of counts');
});
