// A PostgreSQL session on a mounted data directory, as the user who runs this program: node session.js DATADIR

import { startServer } from '../../../src/postgres/start-server.js';
import { connected, postgres15 } from '../../support/postgres.js';

const server = await startServer({ dataDir: process.argv[2]!, ...postgres15() });
try {
  const count = await connected(server, 'postgres', async (client) => {
    await client.query('create table if not exists written_by_user(n int)');
    await client.query('insert into written_by_user select generate_series(1, 1000)');
    await client.query('checkpoint');
    return (await client.query<{ count: string }>('select count(*) from written_by_user')).rows[0]!.count;
  });
  process.stdout.write(count);
} finally {
  await server.stop();
}
