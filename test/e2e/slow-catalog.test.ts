// rescue and drill on a catalog whose every read takes its time: they say how far they are, and come to their end.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { unmounted } from '../mount/small-mount.js';
import { nothingLeftIn } from '../support/left-behind.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { serverDirectory, serverTempDir } from '../support/postgres.js';
import { smallStream } from './targets.js';

const TERMINAL = fileURLToPath(new URL('../support/terminal.cjs', import.meta.url));

t.test('a slow catalog is no reason to give up', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const faults = unmounted(t);
  faults.fault('slow-read', `${catalog}\n10`);
  const base = serverTempDir(t);
  const scratch = serverDirectory(join(base, 'scratch'), 0o711);
  const env = { ...faults.env, TMPDIR: scratch, NODE_OPTIONS: `${faults.env.NODE_OPTIONS} --require=${TERMINAL}` };
  const source = ['-B', catalog, '-I', instance, '-i', backup];
  const rows = join(base, 'rows');
  const query = [
    '--database',
    'postgres',
    '--query',
    `select 1259::regclass, current_setting('autovacuum')`,
    '-o',
    rows,
  ];
  const [rescued, drilled] = await Promise.all([
    pbkfs(['rescue', ...source, ...query, '--prefetch', 'hot', '--format', 'copy'], env),
    pbkfs(['drill', ...source, '--prefetch', 'hot'], env),
  ]);
  t.equal(rescued.status, 0, rescued.stderr);
  t.equal(readFileSync(rows, 'utf8'), 'pg_class\toff\n');
  t.match(rescued.stderr, /\rstarting PostgreSQL 15\S* …/, 'it says what it does');
  t.equal(drilled.status, 0, drilled.stderr);
  t.match(drilled.stdout, /^backup TOU5PO \(DELTA\) passed/);
  await nothingLeftIn(t, scratch);
});
