import t from 'tap';
import type { BackupInfo } from '../../src/backup/index.js';
import { superuserOf } from '../../src/session/login.js';
import { psqlCommand } from '../../src/session/psql.js';
import { ask } from '../../src/session/query.js';
import { newCluster, start } from '../support/postgres.js';

const backup = { primaryConninfo: 'user=backup port=5432' } as BackupInfo;

t.test('psql is told a role and a database that are there', async (t) => {
  const server = await start(t, await newCluster(t), { settings: { fsync: 'off' } });
  const { host, port } = server.connection;
  const psql = `psql -h ${host} -p ${port} -U`;
  const said = (): Promise<string> => psqlCommand(server.connection, backup);
  const sql = (role: string, statement: string): Promise<unknown> =>
    ask(server.connection, statement, { role, database: 'template1' });
  t.equal(await said(), `${psql} postgres`);
  await sql('postgres', 'create role "the boss" superuser login');
  await sql('the boss', 'alter role postgres rename to owner');
  t.equal(await said(), `${psql} ROLE`, 'there is nobody whom it could ask');
  await sql('the boss', 'create role backup login');
  t.equal(await said(), `${psql} owner -d postgres`);
  t.strictSame(
    await superuserOf(server.connection, backup, 'backup'),
    { role: 'backup', database: 'postgres' },
    'given',
  );
  await sql('the boss', 'alter role owner nologin');
  t.equal(await said(), `${psql} 'the boss' -d postgres`);
  await sql('the boss', 'drop database postgres');
  t.equal(await said(), `${psql} 'the boss' -d template1`);
});
