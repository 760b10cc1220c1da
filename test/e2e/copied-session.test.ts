// rescue and drill while somebody else has got a copy of their mounts, as a container has that was just started.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mountsBelow, nothingLeftIn } from '../support/left-behind.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { copyMounts } from '../support/mount-copies.js';
import { serverDirectory, serverTempDir } from '../support/postgres.js';
import { until } from '../support/until.js';
import { smallStream } from './targets.js';

/** Seconds in which both must have come as far as that. */
const BUSY = 20;

t.test('a copy of the mount in another mount namespace is no reason to fail', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const base = serverTempDir(t);
  const scratch = serverDirectory(join(base, 'scratch'), 0o711);
  const [rows, sql] = [join(base, 'rows'), join(base, 'slow.sql')];
  writeFileSync(sql, `select pg_sleep(${BUSY})`);
  const source = ['-B', catalog, '-I', instance, '-i', backup, '--work-dir', scratch];
  const query = ['--database', 'postgres', '--query', `select 1 from pg_sleep(${BUSY})`, '-o', rows];
  const both = Promise.all([
    pbkfs(['rescue', ...source, ...query, '--format', 'copy']),
    pbkfs(['drill', ...source, '--sql', sql]),
  ]);
  await until(() => mountsBelow(scratch).length === 2, BUSY * 1000);
  const container = await copyMounts(t, scratch);
  const [rescued, drilled] = await both;
  t.match(rescued, { status: 0, stderr: '' });
  t.equal(readFileSync(rows, 'utf8'), '1\n');
  t.match(drilled, { status: 0, stderr: '' });
  t.match(drilled.stdout, /^backup TOU5PO \(DELTA\) passed/);
  t.equal(container.exitCode, null, 'which still has its copy');
  await nothingLeftIn(t, scratch);
});
