// A backup that is damaged where rescue and drill read it: they say which backup and file, which the server cannot know.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { copyCatalog } from '../support/catalogs.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { serverTempDir } from '../support/postgres.js';

t.test('the mount knows what was refused', { skip: mountMissing }, async (t) => {
  const base = serverTempDir(t);
  chmodSync(base, 0o755);
  const catalog = await copyCatalog('mini', base);
  // pg_class of the database app: the server starts, and nobody can connect to that database.
  const file = join(catalog, 'backups/a/TOU5OE/database/base/16384/1259');
  const bytes = readFileSync(file);
  bytes.fill(0x55, 100, 200);
  writeFileSync(file, bytes);
  const source = ['-B', catalog, '-I', 'a', '-i', 'TOU5OE'];

  const output = join(base, 'rows.csv');
  const rescued = await pbkfs(['rescue', ...source, '--database', 'app', '--query', 'select 1', '-o', output]);
  t.equal(rescued.status, 1);
  t.match(
    rescued.stderr,
    /^pbkfs: the mount has refused to read what is damaged or gone: backup TOU5OE, file \S*base\/16384\/1259[^\n]*\nhint: "pbkfs validate" checks the backup and its chain\nwhat failed by it: .*Input\/output error/m,
  );
  t.notOk(existsSync(output));

  const { status, stdout } = await pbkfs(['drill', ...source, '--json']);
  t.equal(status, 1);
  const { backups } = JSON.parse(stdout) as { backups: { findings: { problems: string[]; problemCount: number }[] }[] };
  const { problems, problemCount } = backups[0].findings[0];
  t.equal(problemCount, problems.length);
  t.match(problems[0], /^the mount says: backup TOU5OE, file \S*base\/16384\/1259/);
  t.match(problems.at(-1), /Input\/output error/);
});
