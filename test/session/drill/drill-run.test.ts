// What a run of drills refuses before anything is mounted, and what the metrics file says then.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf } from '../../../src/backup/index.js';
import type { Drilled } from '../../../src/session/drill/drill.js';
import { type DrillRun, type DrillRunRequest, drillBackups } from '../../../src/session/drill/drill-run.js';
import { startTime, writeCatalog } from '../../support/catalog-writer.js';
import { matchWhole } from '../../support/match-whole.js';

const warnings: string[] = [];
const progress = {
  step: () => undefined,
  detail: () => undefined,
  warn: (text: string) => void warnings.push(text),
};

/** A catalog whose only backup cannot be mounted. */
function place(t: Test) {
  const base = t.testdir();
  const catalog = join(base, 'catalog');
  writeCatalog(catalog, [{ start: startTime(0), mode: 'FULL', status: 'ERROR', files: [] }]);
  const metricsFile = join(base, 'pbkfs.prom');
  const request: DrillRunRequest = {
    ...{ catalog, instance: 'main', timeline: 'current', amcheck: false, checksums: false, sql: [] },
    ...{ database: 'postgres', jobs: 1, force: false, all: false, metricsFile },
  };
  const nothing = () => t.fail('nothing is drilled');
  const run = (changes: Partial<DrillRunRequest>) =>
    drillBackups({ ...request, ...changes }, progress, { drilled: nothing, ended: nothing });
  return { base, metricsFile, run };
}

t.test('nothing to drill is a failure that cron hears of', async (t) => {
  for (const all of [false, true]) {
    const { metricsFile, run } = place(t);
    await t.rejects(run({ all }), { code: 'backup_not_found' });
    t.match(readFileSync(metricsFile, 'utf8'), /^pbkfs_drill_success\{.*backup_instance="main"\} 0$/m);
  }
});

t.test('what was asked for wrongly is no failed drill: the metrics stay', async (t) => {
  const { base, metricsFile, run } = place(t);
  writeFileSync(metricsFile, 'as it was\n');
  const absent = join(base, 'absent.sql');
  await t.rejects(run({ sql: [absent] }), { code: 'usage', message: `cannot read ${absent}: ENOENT` });
  t.equal(readFileSync(metricsFile, 'utf8'), 'as it was\n');
});

t.test('metrics that cannot be written are refused at once', async (t) => {
  const { base, run } = place(t);
  const directory = join(base, 'directory.prom');
  mkdirSync(directory);
  await t.rejects(run({ metricsFile: directory }), { code: 'usage', hint: /--metrics-file wants/ });
  const nowhere = join(base, 'nowhere', 'pbkfs.prom');
  await t.rejects(run({ metricsFile: nowhere }), { code: 'usage', message: `cannot write ${nowhere}: ENOENT` });
  t.notOk(existsSync(join(base, 'nowhere')));
});

t.test('a name that node_exporter passes over is taken, with a warning', async (t) => {
  const { base, run } = place(t);
  for (const [name, warning] of [
    ['pbkfs.prom', []],
    ['pbkfs.txt', [`${join(base, 'pbkfs.txt')}: node_exporter reads only names that end in .prom`]],
  ] as const) {
    warnings.length = 0;
    await t.rejects(run({ metricsFile: join(base, name) }), { code: 'backup_not_found' });
    t.strictSame(warnings, warning);
    t.match(readFileSync(join(base, name), 'utf8'), /^pbkfs_drill_success/m, 'it may be moved to its place');
  }
});

t.test('why nothing was drilled is told, also where the metrics cannot be written', async (t) => {
  const { metricsFile, run } = place(t);
  mkdirSync(`${metricsFile}.tmp`);
  await t.rejects(run({}), { code: 'backup_not_found' });
});

/** Backups of a version that no host has a server of: a drill of one fails before anything is mounted. */
function unknownVersion(t: Test) {
  const base = t.testdir({ work: {} });
  const catalog = join(base, 'catalog');
  const backup = (n: number, status: string) => ({
    ...{ start: startTime(n), mode: 'FULL' as const, status, control: { 'server-version': 99 } },
    files: [{ path: 'PG_VERSION', content: '99\n' }],
  });
  writeCatalog(
    catalog,
    ['OK', 'ERROR', 'OK', 'ERROR'].map((status, n) => backup(n, status)),
  );
  const [oldest, older, newer, newest] = [0, 1, 2, 3].map((n) => backupIdOf(startTime(n))) as [string, ...string[]];
  const metricsFile = join(base, 'pbkfs.prom');
  const drilled: Drilled[] = [];
  const run = async (changes: Partial<DrillRunRequest>): Promise<DrillRun> => {
    let result: DrillRun | undefined;
    await drillBackups(
      {
        ...{ catalog, instance: 'main', timeline: 'current', amcheck: false, checksums: false, sql: [] },
        ...{ database: 'postgres', jobs: 1, force: false, all: false, metricsFile, workDir: join(base, 'work') },
        ...changes,
      },
      progress,
      {
        drilled: (one) => void drilled.push(one),
        ended: (of) => {
          t.notOk(existsSync(metricsFile), 'what was found is told first');
          result = of;
        },
      },
    );
    return result!;
  };
  return { base, run, metricsFile, drilled, oldest, older, newer, newest };
}

t.test('a newest backup that is no good is told of, whatever else is asked for', async (t) => {
  const { base, run, metricsFile, drilled, oldest, older, newer, newest } = unknownVersion(t);
  const wrong = [{ check: 'recovery', passed: false, problems: [/no PostgreSQL 99/] }];
  const one = await run({});
  matchWhole(t, one, {
    passed: false,
    backups: [{ backupId: newer, passed: false, findings: wrong, serverVersion: null }],
    passedOver: [{ backupId: newest, reason: /ERROR/ }],
  });
  t.match(readFileSync(metricsFile, 'utf8'), /^pbkfs_drill_success\S* 0$/m);
  rmSync(metricsFile);
  const latest = await run({ backupId: 'Latest' });
  matchWhole(t, latest, { backups: [{ backupId: newer }], passedOver: [{ backupId: newest }] });
  rmSync(metricsFile);
  const all = await run({ all: true });
  matchWhole(t, all, {
    backups: [{ backupId: newer }, { backupId: oldest }],
    passedOver: [{ backupId: newest }, { backupId: older }],
  });
  rmSync(metricsFile);
  matchWhole(t, await run({ backupId: oldest }), { backups: [{ backupId: oldest }], passedOver: [] });
  t.strictSame(
    drilled.map(({ backupId }) => backupId),
    [newer, newer, newer, oldest, oldest],
  );
  t.strictSame(readdirSync(join(base, 'work')), [], 'nothing is left');
});

t.test('a host without room for a drill is told apart from a bad backup', async (t) => {
  const { base, run, metricsFile, drilled } = unknownVersion(t);
  await t.rejects(run({ workDir: join(base, 'absent') }), { code: 'no_place', hint: /--work-dir/ });
  t.strictSame(drilled, []);
  t.match(readFileSync(metricsFile, 'utf8'), /^pbkfs_drill_success\S* 0$/m, 'cron hears of it all the same');
});
