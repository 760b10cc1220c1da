// What the checks of a drill have found, and the metrics that tell of it: nothing that failed may look as if it had passed.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PbkfsError } from '../../../src/errors.js';
import type { Drilled } from '../../../src/session/drill/drill.js';
import { writeDrillMetrics } from '../../../src/session/drill/drill-metrics.js';
import { type Finding, find, withProblems } from '../../../src/session/drill/finding.js';
import { matchWhole } from '../../support/match-whole.js';

t.test('a check passes when it ends and has no problem', async (t) => {
  t.match(await find('sql', async () => 'looked'), { check: 'sql', passed: true, what: 'looked', problemCount: 0 });
  const skipped = await find('checksums', async () => ({ skipped: 'there are none' }));
  t.match(skipped, { passed: true, what: '', skipped: 'there are none' });
});

t.test('one problem is a failure; all are counted, the first are kept', async (t) => {
  const one = await find('sql', async (problems) => {
    problems.add('wrong');
    return 'looked';
  });
  matchWhole(t, one, { passed: false, what: 'looked', problems: ['wrong'], problemCount: 1 });
  const many = await find('checksums', async (problems) => {
    for (let n = 1; n <= 60; n++) problems.add(`wrong ${n}`);
    return { skipped: 'and skipped the rest' };
  });
  t.match(many, { passed: false, problemCount: 60 });
  t.strictSame([many.problems.length, many.problems.at(-1)], [50, 'wrong 50']);
});

t.test('a check that breaks off has failed, with what it says to do', async (t) => {
  const broken = await find('amcheck', async (problems) => {
    problems.add('wrong');
    throw new PbkfsError('server_failed', 'the server has gone', { hint: 'look at its log' });
  });
  t.match(broken, { passed: false, what: 'not finished', problemCount: 2 });
  t.strictSame(broken.problems, ['wrong', 'the server has gone\nlook at its log']);
  const plain = await find('recovery', () => Promise.reject(new Error('connection lost')));
  matchWhole(t, plain, { passed: false, problems: ['connection lost'] });
});

const finding = (check: Finding['check'], passed: boolean, skipped?: string): Finding => ({
  ...{ check, passed, what: '', problems: [], problemCount: Number(!passed), seconds: 2 },
  ...(skipped === undefined ? {} : { skipped }),
});

t.test('what is found out later comes first, and is counted', async (t) => {
  const some = { ...finding('amcheck', false), problems: ['I/O error'], problemCount: 70 };
  const told = withProblems(some, ['the mount says: a', 'the mount says: b']);
  t.strictSame(told, { ...some, problems: ['the mount says: a', 'the mount says: b', 'I/O error'], problemCount: 72 });
  const many = withProblems({ ...some, problems: Array.from({ length: 50 }, (_, n) => `wrong ${n}`) }, ['first']);
  t.strictSame([many.problems.length, many.problems[0], many.problems.at(-1)], [50, 'first', 'wrong 48']);
});

t.test('metrics: a check that failed once has failed; one that was skipped is not told', async (t) => {
  const file = join(t.testdir(), 'pbkfs.prom');
  const drilled: Drilled = {
    ...{
      backupId: 'TOU5PO',
      mode: 'DELTA',
      backupEndTime: '2023-11-14T22:13:20Z',
      passed: false,
      serverVersion: '15.18',
    },
    ...{ catalogBytes: 1, diffBytes: 2, clusterBytes: 3, seconds: 4 },
    findings: [
      finding('recovery', true),
      finding('sql', false),
      finding('sql', true),
      finding('checksums', true, 'there are none'),
    ],
  };
  const source = { catalog: '/backups', instance: 'main' };
  const read = (metric: string, labels = ''): number | undefined => {
    const found = new RegExp(`^${metric}\\{catalog="/backups",backup_instance="main"${labels}\\} (\\S+)$`, 'm');
    const value = found.exec(readFileSync(file, 'utf8'))?.[1];
    return value === undefined ? undefined : Number(value);
  };
  const ofCheck = (metric: string, check: string): number | undefined =>
    read(`pbkfs_drill_check_${metric}`, `,backup="TOU5PO",check="${check}"`);
  const lastSuccess = (): number | undefined => read('pbkfs_drill_last_success_timestamp_seconds');

  await writeDrillMetrics(file, source, [drilled], false);
  t.equal(statSync(file).mode & 0o777, 0o644, 'node_exporter may read it');
  t.equal(read('pbkfs_drill_success'), 0);
  t.equal(lastSuccess(), undefined, 'it has never passed');
  t.strictSame(
    ['recovery', 'sql', 'amcheck', 'checksums'].map((check) => ofCheck('success', check)),
    [1, 0, undefined, undefined],
  );
  t.strictSame([ofCheck('duration_seconds', 'recovery'), ofCheck('duration_seconds', 'sql')], [2, 4]);
  for (const [metric, value] of [
    ['duration_seconds', 4],
    ['catalog_read_bytes', 1],
    ['diff_bytes', 2],
    ['backup_timestamp_seconds', 1_700_000_000],
  ] as const) {
    t.equal(read(`pbkfs_drill_${metric}`, ',backup="TOU5PO"'), value, metric);
  }

  const begun = Date.now() / 1000;
  await writeDrillMetrics(file, source, [{ ...drilled, backupEndTime: null }], true);
  const passed = lastSuccess()!;
  t.ok(passed >= begun && passed <= Date.now() / 1000 && read('pbkfs_drill_success') === 1);
  t.equal(read('pbkfs_drill_timestamp_seconds'), passed);
  t.equal(read('pbkfs_drill_backup_timestamp_seconds', ',backup="TOU5PO"'), undefined);
  await writeDrillMetrics(file, source, [], false);
  t.strictSame([read('pbkfs_drill_success'), lastSuccess()], [0, passed], 'when it last passed is not forgotten');
  writeFileSync(file, 'pbkfs_drill_last_success_timestamp_seconds x\n');
  await writeDrillMetrics(file, source, [], false);
  t.equal(lastSuccess(), undefined);
});
