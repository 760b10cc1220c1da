// What a server says, explained: only where it is what it looks like.

import t from 'tap';
import { PbkfsError } from '../../src/errors.js';
import { explainFailure } from '../../src/session/server-trouble.js';

const said = (text: string): { message: string; hint: string } => {
  const log = `its log ends with:\n${text}`;
  return explainFailure(new PbkfsError('server_failed', 'it did not start', { hint: log }), 15) as never;
};

t.test('names what is missing, and what to do', async (t) => {
  for (const [text, message, hint] of [
    ['FATAL: database "nodb" does not exist', 'the cluster has no database nodb', /^name another one/],
    ['FATAL: role "nobody" does not exist', 'the cluster has no role nobody', /-U/],
    [
      String.raw`pg_dump: error: no matching tables were found for pattern "\"public\".\"none\""`,
      'the database has no table "public"."none" at that point',
      /--time/,
    ],
    [
      'LOG: unrecognized configuration parameter "own" in file "/m/postgresql.auto.conf" line 3',
      "this server does not know the setting own of the backup's postgresql.auto.conf",
      /take the line out/,
    ],
    [
      'FATAL: data directory "/mnt/pg" has wrong ownership',
      '/mnt/pg does not belong to the user that the server runs as',
      /^chown -R that user \/mnt\/pg/,
    ],
    [
      'DETAIL: The database cluster was initialized with RELSEG_SIZE 64, but the server was compiled with RELSEG_SIZE 131072.',
      'this server was built with RELSEG_SIZE 131072, that of the backup with 64',
      /--bin-dir/,
    ],
    [
      'pg_dump: error: could not write to output file: No space left on device',
      'there is no room left for the output',
      /where -o leads/,
    ],
    ['COPY failed: ENOSPC: no space left on device, write', 'there is no room left for the output', /where -o leads/],
    [
      'the query failed: ENOSPC: no space left on device, write',
      'there is no room left for the output',
      /where -o leads/,
    ],
    ['the query failed: EDQUOT: disk quota exceeded, write', 'there is no room left for the output', /where -o leads/],
    [
      'FATAL: could not extend file "base/5/16384": Disk quota exceeded',
      'there is no room left for what the server writes',
      /give the diff more room/,
    ],
    [
      'FATAL: could not write to file "pg_wal/x": No space left on device',
      'there is no room left for what the server writes',
      /give the diff more room/,
    ],
  ] as const) {
    const explained = said(text);
    t.equal(explained.message, message);
    t.match(explained.hint, hint);
    t.ok(explained.hint.includes(text), 'the server is quoted');
  }
});

t.test('a setting of the command line is not one of the backup', async (t) => {
  const text = 'FATAL: unrecognized configuration parameter "nosuch"';
  t.match(said(text), { message: 'it did not start', hint: `its log ends with:\n${text}` });
});
