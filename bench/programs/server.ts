// A PostgreSQL server on a data directory that only its user may look into, root not even: run as that user.
// `node server.js DATADIR SETTINGS` prints how to reach it, and stops it when its standard input ends.

import { once } from 'node:events';
import { startServer } from '../../src/postgres/start-server.js';
import { postgres15 } from '../../test/support/postgres.js';

const [, , dataDir, settings] = process.argv;
const server = await startServer({
  dataDir,
  ...postgres15(),
  settings: JSON.parse(settings!) as Record<string, string>,
});
console.log(JSON.stringify(server.connection));
process.stdin.resume();
await once(process.stdin, 'end');
await server.stop('immediate');
