// Connections to servers of ours: nothing counts that the shell has set for others, or production for its roles.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { ask, connect } from '../../src/session/query.js';
import { newCluster, postgresOf, start } from '../support/postgres.js';
import { temporaryDirectory } from '../support/swept.js';

const PROTOCOL_3 = 196_608;
const PRODUCTION = {
  PGSSLMODE: 'require',
  PGSSLNEGOTIATION: 'direct',
  PGHOST: 'production.example',
  PGPORT: '6543',
  PGUSER: 'nobody',
  PGDATABASE: 'nowhere',
  PGOPTIONS: '-c statement_timeout=1',
  NODE_PG_FORCE_NATIVE: '1',
};

t.test('an environment made for production', async (t) => {
  const asked: Buffer[] = [];
  const listener = createServer((socket) => {
    socket.once('data', (chunk) => {
      asked.push(chunk);
      socket.destroy();
    });
  });
  const host = temporaryDirectory('pbkfs-query-');
  await new Promise<void>((resolve) => listener.listen(join(host, '.s.PGSQL.5432'), resolve));
  t.teardown(() => listener.close());
  const before = { ...process.env };
  Object.assign(process.env, PRODUCTION);
  t.teardown(() => {
    for (const name of Object.keys(PRODUCTION)) delete process.env[name];
    Object.assign(process.env, before);
  });

  await t.rejects(connect({ host, port: 5432 }), { code: 'server_failed' });
  t.equal(asked.length, 1, 'the socket was spoken to');
  t.equal(asked[0]!.readInt32BE(4), PROTOCOL_3, 'no TLS is asked for');
  const text = asked[0]!.toString('latin1').replaceAll('\0', ' ');
  t.match(text, / user postgres database postgres /);
  t.match(text, / statement_timeout=0 /);
});

t.test('what production has given its roles', async (t) => {
  const dataDir = await newCluster(t, [], 17);
  const primary = await start(t, dataDir, { ...postgresOf(17), settings: { fsync: 'off' } });
  const sql = (server: typeof primary, statement: string): Promise<unknown[]> => ask(server.connection, statement, {});
  for (const setting of [
    `transaction_timeout = '100ms'`,
    `statement_timeout = '100ms'`,
    'default_transaction_isolation = serializable',
    'zero_damaged_pages = on',
  ])
    await sql(primary, `alter role postgres set ${setting}`);
  t.strictSame(await sql(primary, 'select true from pg_sleep(0.3)'), [true]);
  t.strictSame(await sql(primary, 'show zero_damaged_pages'), ['off']);
  await sql(primary, 'create role nobody login');
  const asNobody = (name: string) => ask(primary.connection, `show ${name}`, { role: 'nobody' });
  t.strictSame(await asNobody('default_transaction_isolation'), ['read committed']);
  await primary.stop();
  writeFileSync(join(dataDir, 'standby.signal'), '');
  const recovery = { target: 'configured', restoreCommand: 'false', hotStandby: true } as const;
  const standby = await start(t, dataDir, { ...postgresOf(17), settings: { fsync: 'off' }, recovery });
  t.strictSame(await sql(standby, 'select pg_is_in_recovery()'), [true]);
});
