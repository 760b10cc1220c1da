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
      'FATAL: could not open file "/mnt/pg/PG_VERSION": Permission denied',
      '/mnt/pg does not belong to the user that the server runs as',
      /^chown -R that user \/mnt\/pg;/,
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
      'LOG: shutdown at recovery target',
      'the server has reached its recovery target and shut down there, as recovery_target_action asks',
      /^for one that runs, mount the backup with --recovery-target-action/,
    ],
    [
      'postgres: could not access directory "/mnt/pg": Permission denied',
      'the user that the server runs as cannot reach /mnt/pg',
      /^let that user enter .*--work-dir/,
    ],
    [
      'DETAIL: The database was initialized with LC_COLLATE "de_DE.utf8",  which is not recognized by setlocale().',
      'this host lacks the locale de_DE.utf8 of the database',
      /^make it: localedef -i de_DE -f UTF-8 de_DE\.utf8 /,
    ],
    [
      'FATAL: invalid value for parameter "lc_messages": "fr_FR"',
      'this host lacks the locale fr_FR of the database',
      /^make it: localedef -i fr_FR -f UTF-8 fr_FR /,
    ],
    [
      'FATAL: could not access file "$libdir/pg_trgm": No such file or directory',
      'this host lacks the library $libdir/pg_trgm',
      /apt-cache search postgresql-15-pg-trgm\)/,
    ],
    [
      'ERROR: could not load library "/usr/lib/timescaledb-2.so": /usr/lib/timescaledb-2.so: undefined symbol',
      'this host lacks the library /usr/lib/timescaledb-2.so',
      /apt-cache search postgresql-15-timescaledb-2\)/,
    ],
    [
      'FATAL: resource manager with ID 128 not registered',
      'the WAL holds records of an extension (resource manager 128) that is not loaded',
      /--preload-libraries/,
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

t.test('the cause may say more than the error; what is no error of ours stays as it is', async (t) => {
  const error = new PbkfsError('server_failed', 'the query failed', { cause: { detail: 'role "app" does not exist' } });
  const explained = explainFailure(error, 15) as PbkfsError;
  t.match(explained, { code: 'server_failed', message: 'the cluster has no role app', cause: error });
  t.match(explained.hint, /\nthe server said: the query failed$/);
  const foreign = new Error('role "app" does not exist');
  t.equal(explainFailure(foreign, 15), foreign);
  const other = new PbkfsError('server_failed', 'something else');
  t.equal(explainFailure(other, 15), other);
});

t.test('where the major version is not known, a place is left for it', async (t) => {
  const error = new PbkfsError('server_failed', 'could not load library "postgis-3.so": nothing');
  t.match(explainFailure(error, Number.NaN), { hint: /postgresql-N-postgis-3\)/ });
});

t.test('a setting of the command line is not one of the backup', async (t) => {
  const text = 'FATAL: unrecognized configuration parameter "nosuch"';
  t.match(said(text), { message: 'it did not start', hint: `its log ends with:\n${text}` });
});
