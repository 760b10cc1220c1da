// Which file gets which tables: no two of them the same one, and nobody waits for a recovery whose result has no place.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Guarded } from '../../src/session/guarded.js';
import { rescue } from '../../src/session/rescue.js';
import { planRescue, type Wanted } from '../../src/session/rescue-plan.js';
import { parseTableName } from '../../src/session/table-name.js';
import { smallStream } from '../e2e/targets.js';
import { serverTempDir } from '../support/postgres.js';

const named = (name: string) => parseTableName(name, undefined);
const [A, B, OTHER] = ['app.public.a', 'app.public.b', 'other.public.a'] as const;

/** Format, and paths below a directory in which `there` is one. */
function planned(t: Test, names: readonly string[], more: Partial<Wanted> = {}, output = 'out', pgDump?: string) {
  const directory = t.testdir({ there: {} });
  const wanted = { tables: names.map(named), output: join(directory, output), ...more };
  const { format, jobs } = planRescue(wanted, pgDump);
  return [format, ...jobs.map(({ path }) => path.slice(directory.length + 1))];
}

t.test('one file, one a table, or one a database', async (t) => {
  const withDump = (names: readonly string[], more?: Partial<Wanted>, output?: string) =>
    planned(t, names, more, output, '/usr/bin/pg_dump');
  t.strictSame(withDump([A, B]), ['custom', 'out']);
  t.strictSame(withDump([A, B], {}, 'there'), ['custom', 'there/app.dump']);
  t.strictSame(withDump([A, B, OTHER], { format: 'plain' }), ['plain', 'out/app.sql', 'out/other.sql']);
  t.strictSame(withDump([], { database: 'a/b' }, 'there'), ['custom', 'there/a_b.dump']);
  t.strictSame(withDump([], { database: 'app', query: 'select 1' }), ['csv', 'out']);
  const csv = { format: 'csv' } as const;
  t.strictSame(withDump([A], csv), ['csv', 'out']);
  t.strictSame(withDump([A], csv, 'there'), ['csv', 'there/app.public.a.csv']);
  t.strictSame(withDump([A, B], csv), ['csv', 'out/app.public.a.csv', 'out/app.public.b.csv']);
  t.strictSame(withDump(['app.public."a/b"', OTHER], csv), ['csv', 'out/app.public.a_b.csv', 'out/other.public.a.csv']);
  t.strictSame(withDump([A, A], csv), ['csv', 'out'], 'the same once');
});

t.test('without pg_dump there are rows of tables', async (t) => {
  t.strictSame(planned(t, [A, B]), ['copy', 'out/app.public.a.copy', 'out/app.public.b.copy']);
  t.strictSame(planned(t, [A, B], { format: 'plain' }), ['plain', 'out']);
  for (const [names, more] of [
    [[A], { format: 'custom' }],
    [[], { database: 'app', format: 'plain' }],
  ] as const)
    t.throws(() => planned(t, names, more), { code: 'server_failed', message: /^no pg_dump/ });
});

t.test('two tables never have one file', async (t) => {
  const refused = { code: 'usage', message: /would be written to .*_b\./ };
  t.throws(() => planned(t, ['app.public."a/b"', 'app.public.a_b'], { format: 'copy' }), refused);
  t.throws(() => planned(t, ['"a/b".public.a', 'a_b.public.a'], { format: 'plain' }), refused);
});

t.test('what has no place is refused before anything is mounted', async (t) => {
  const { catalog, instance, backup: backupId } = await smallStream(t);
  const scratch = serverTempDir(t);
  const output = join(scratch, 'file');
  writeFileSync(output, 'mine');
  const guard = new Guarded();
  t.teardown(() => guard.finish());
  const steps: string[] = [];
  const progress = { step: (text: string) => void steps.push(text), detail: () => undefined, warn: () => undefined };
  const tables = ['app.public.t_shrink', 'app.public.other'].map(named);
  const request = { catalog, instance, backupId, tables, output, format: 'csv', timeline: 'current' } as const;
  await t.rejects(rescue({ ...request, force: false, workDir: scratch }, guard, progress), {
    code: 'usage',
    message: `cannot write ${output}/app.public.t_shrink.csv: ${output} is not a directory`,
  });
  t.strictSame(steps, []);
  await guard.finish();
  t.strictSame(readdirSync(scratch), ['file']);
});
