// Connections to servers of ours: nothing that the shell has set for others counts.

import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { connect } from '../../src/session/query.js';
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
