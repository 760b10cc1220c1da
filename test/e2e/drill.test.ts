// Verification drills: what is sound passes, what is not is found, and nothing is left of either.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { DrillRun } from '../../src/session/drill/drill-run.js';
import { nothingLeftIn } from '../support/left-behind.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { matchWhole } from '../support/match-whole.js';
import { CLI, mountMissing, pbkfs } from '../support/mount.js';
import { newCluster, query, serverTempDir, start } from '../support/postgres.js';
import { prometheusMissing, promtool } from '../support/promtool.js';
import { run } from '../support/run.js';
import { hashTree } from '../support/tree.js';
import { smallStream } from './targets.js';

const ON_MANY_PROCESSORS = {
  NODE_OPTIONS: `--require=${fileURLToPath(new URL('../support/many-processors.cjs', import.meta.url))}`,
};

interface Place {
  readonly scratch: string;
  readonly metrics: string;
  /** Runs a drill and reads its report. */
  drill(
    args: readonly string[],
    env?: Record<string, string>,
  ): Promise<{ status: number | null; stderr: string; report: DrillRun }>;
  sql(name: string, text: string): string;
}

function place(t: Test, source: readonly string[]): Place {
  const base = serverTempDir(t);
  const [scratch, metrics] = [join(base, 'scratch'), join(base, 'pbkfs.prom')];
  mkdirSync(scratch, { mode: 0o711 });
  return {
    scratch,
    metrics,
    drill: async (args, env) => {
      const all = ['drill', ...source, '--work-dir', scratch, '--metrics-file', metrics, '--json', ...args];
      const { status, stdout, stderr } = await pbkfs(all, env);
      return { status, stderr, report: (stdout === '' ? {} : JSON.parse(stdout)) as DrillRun };
    },
    sql: (name, text) => {
      writeFileSync(join(base, name), text);
      return join(base, name);
    },
  };
}

t.test('under nohup it goes on when its terminal is closed', { skip: mountMissing }, async (t) => {
  const { catalog, instance } = await smallStream(t);
  const { scratch } = place(t, []);
  const args = ['drill', '-B', catalog, '-I', instance, '--work-dir', scratch];
  const script = 'nohup "$@" > /dev/null 2>&1 & echo $!; wait $!';
  const shell = spawn('bash', ['-c', script, 'bash', CLI, ...args], { stdio: ['ignore', 'pipe', 'ignore'], cwd: '/' });
  const ended = once(shell, 'exit');
  const pid = Number(await once(shell.stdout, 'data'));
  let hangups = 0;
  while (shell.exitCode === null) {
    if (readdirSync(scratch).length > 0 && mayHangUp(pid)) hangups++;
    await sleep(20);
  }
  t.strictSame(await ended, [0, null]);
  t.ok(hangups > 5, `${hangups} times`);
  await nothingLeftIn(t, scratch);
});

function mayHangUp(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGHUP');
  } catch {
    return false;
  }
}

t.test('a sound backup passes all checks', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const before = hashTree(catalog);
  const { drill, sql, scratch, metrics } = place(t, ['-B', catalog, '-I', instance]);
  const good = sql('good.sql', 'create table made as select 1 as n; select n = 1 as one from made; select 2;');
  const { status, stderr, report } = await drill(['--amcheck', '--checksums', '--sql', good], ON_MANY_PROCESSORS);
  t.equal(status, 0, stderr);
  matchWhole(t, report, { passed: true, passedOver: [], backups: [{ backupId: backup, passed: true, mode: 'DELTA' }] });
  const [drilled] = report.backups;
  matchWhole(t, drilled!.findings, [
    { check: 'recovery', passed: true, what: /^PostgreSQL 15\.\d+ recovered to / },
    { check: 'amcheck', passed: true, what: /^7\d\d tables and indexes of 3 databases$/ },
    { check: 'sql', passed: true, what: /^3 statements of .*, 1 of them questions$/ },
    { check: 'checksums', passed: true, what: /^\d{4} blocks of \d+ files$/ },
  ]);
  t.ok(drilled!.diffBytes > 2 ** 20 && drilled!.catalogBytes > 2 ** 20, 'what it took is told');
  await nothingLeftIn(t, scratch);
  t.equal(hashTree(catalog), before, 'the catalog is as it was');

  const text = readFileSync(metrics, 'utf8');
  t.match(text, /^pbkfs_drill_success\{catalog=".*",backup_instance="a"\} 1$/m);
  t.match(text, /^pbkfs_drill_check_success\{.*backup="TOU5PO",check="checksums"\} 1$/m);
  await t.test('promtool reads the metrics', { skip: prometheusMissing }, async (t) => {
    t.same(promtool(['check', 'metrics'], text), { status: 0, said: '' });
  });

  const success = /^pbkfs_drill_last_success_timestamp_seconds\S* (\S+)$/m;
  const bad = sql('bad.sql', 'select true;\nselect nullif(n > 1, n = 3) as large from generate_series(1, 3) n;');
  const wrong = sql('wrong.sql', 'select 1;\n\nselect nothing;');
  const failed = await drill(['--sql', bad, '--sql', wrong]);
  t.equal(failed.status, 1);
  matchWhole(t, failed.report.backups[0]!.findings.slice(1), [
    { check: 'sql', passed: false, problems: [/bad\.sql: statement 2 \(large\): 2 of 3 rows do not say true/] },
    { check: 'sql', passed: false, problems: [/wrong\.sql, line 3: column "nothing" does not exist/] },
  ]);
  const later = readFileSync(metrics, 'utf8');
  t.match(later, /^pbkfs_drill_success\S* 0$/m);
  t.match(later, /check="sql"\} 0$/m);
  t.equal(success.exec(later)?.[1], success.exec(text)?.[1], 'when it last passed is not forgotten');

  const [sh, ...piped] = ['sh', '-c', 'printf "select false" | "$@"', 'sh', process.execPath, CLI];
  const all = [...piped, 'drill', '-B', catalog, '-I', instance, '--all', '--work-dir', scratch, '--sql', '/dev/stdin'];
  const { status: refused, stdout } = await run(sh!, all, { timeout: 120_000 });
  t.equal(refused, 1);
  t.match(stdout, /\n0 of \d backups passed: FAILED\n$/, 'a pipe is read once, for all backups');
  t.match(
    stdout,
    new RegExp(
      [
        `^backup ${backup} \\(DELTA\\) FAILED in [\\d.]+ s`,
        ' {2}recovery {3}ok {4}PostgreSQL 15\\.\\d+ recovered to .* \\([\\d.]+ s\\)',
        ' {2}sql {8}FAIL {2}1 problem \\([\\d.]+ s\\)',
        ' {4}/dev/stdin: statement 1: 1 of 1 rows do not say true',
        ' {2}[\\d.]+ [KM]iB read from the catalog of a cluster of 30\\.8 MiB; the diff took [\\d.]+ [KM]iB and is gone',
        'backup ',
      ].join('\n'),
    ),
  );

  const narrow = await drill(['--diff-limit', '1MB']);
  t.equal(narrow.status, 1);
  matchWhole(t, narrow.report.backups[0]!.findings, [
    { check: 'recovery', passed: false, problems: [/no room left.*\n.*--diff-limit/] },
  ]);
  await nothingLeftIn(t, scratch);

  for (const [args, message] of [
    [['-i', backup, '--all'], /-i and --all exclude each other/],
    [['--sql', join(scratch, 'absent.sql')], /cannot read .*absent\.sql: ENOENT/],
    [['--jobs', '0'], /--jobs/],
  ] as const) {
    t.match(await drill(args), { status: 2, stderr: message });
  }
});

t.test(
  'a database that an interrupted DROP DATABASE left is no fault of the backup',
  { skip: mountMissing },
  async (t) => {
    const dataDir = await newCluster(t, ['--wal-segsize=1']);
    const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off' } });
    const catalog = new LiveCatalog(join(serverTempDir(t), 'catalog'), dataDir);
    await query(server, 'create database torn');
    await query(server, `update pg_database set datconnlimit = -2 where datname = 'torn'`);
    await catalog.backup(server, { stream: true });
    const began = Date.now();
    await query(server, 'create table late()');
    const ended = Date.now();
    await catalog.archive(server);
    await server.stop('fast');
    const { drill } = place(t, ['-B', catalog.path, '-I', 'main']);
    const { status, stderr, report } = await drill(['--amcheck', '--recovery-target', 'latest']);
    t.equal(status, 0, stderr);
    matchWhole(t, report.backups[0]!.findings, [
      { check: 'recovery', passed: true, what: /, 2 databases \(not torn: / },
      { check: 'amcheck', passed: true, what: / of 2 databases$/ },
    ]);
    const [, moment] = / \(last transaction (\S+ \S+)\)/.exec(report.backups[0]!.findings[0]!.what ?? '') ?? [];
    const last = Date.parse(moment!);
    t.ok(last > began - 1000 && last <= ended, `${moment} says how far recovery came`);
  },
);

t.test('damage is found, and a newest backup that is no good is told of', { skip: mountMissing }, async (t) => {
  const dataDir = await newCluster(t);
  const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off', autovacuum: 'off' } });
  const catalog = new LiveCatalog(join(serverTempDir(t), 'catalog'), dataDir);
  await query(server, 'create table sound as select n as id from generate_series(1, 3000) n');
  await query(server, 'create table swapped as select n as id from generate_series(1, 3000) n');
  await query(server, 'create table flipped as select n as id from generate_series(1, 3000) n');
  await query(server, 'create index on sound(id)');
  await query(server, 'create index on swapped((id % 7), id)');
  const good = await catalog.backup(server, { stream: false });
  await query(server, 'checkpoint');
  const path = async (relation: string): Promise<string> =>
    join(dataDir, await query(server, `select pg_relation_filepath('${relation}')`));
  // A page has no name of its relation in it, so the checksums of this index are right.
  copyFileSync(await path('sound_id_idx'), await path('swapped_expr_id_idx'));
  const flipped = await open(await path('flipped'), 'r+');
  await flipped.write(Buffer.from([0x55]), 0, 1, 8192 + 8000);
  await flipped.close();
  const bad = await catalog.backup(server, { stream: false });
  await catalog.archive(server);
  await server.stop('immediate');

  const { drill, scratch, metrics } = place(t, ['-B', catalog.path, '-I', 'main']);
  const { status, report } = await drill(['--all', '--amcheck', '--checksums']);
  t.equal(status, 1);
  matchWhole(t, report.backups, [
    { backupId: bad.id, passed: false },
    { backupId: good.id, passed: true },
  ]);
  const [, amcheck, checksums] = report.backups[0]!.findings;
  t.match(amcheck!.problems.join('\n'), /database postgres, swapped_expr_id_idx: .*index/);
  t.match(amcheck!.problems.join('\n'), /database postgres, flipped: .*invalid page in block 1/);
  t.notMatch(amcheck!.problems.join('\n'), /sound:/);
  matchWhole(t, checksums, {
    passed: false,
    problemCount: 1,
    problems: [/^base\/\d+\/\d+, block 1: checksum \d+, its content has \d+$/],
  });

  const control = join(catalog.path, 'backups/main', bad.id, 'backup.control');
  const was = readFileSync(control, 'utf8');
  for (const state of ['CORRUPT', 'RUNNING']) {
    writeFileSync(control, was.replace(/^status = .*$/m, `status = ${state}`));
    const next = await drill([]);
    matchWhole(t, next, {
      status: 0,
      report: {
        passed: true,
        backups: [{ backupId: good.id }],
        passedOver: [{ backupId: bad.id, reason: new RegExp(state) }],
      },
    });
  }
  const refused = await drill(['-i', bad.id]);
  matchWhole(t, refused, {
    status: 1,
    report: { backups: [{ passed: false, findings: [{ check: 'recovery', problems: [/RUNNING/] }] }] },
  });
  const told = await pbkfs(['drill', '-B', catalog.path, '-I', 'main', '-i', bad.id, '--work-dir', scratch]);
  t.match(told, { status: 1, stdout: /FAILED[\s\S]*RUNNING/ });
  t.notMatch(told.stdout, /the diff took/, 'what no mount has cost is not told');
  const nowhere = ['--metrics-file', join(scratch, 'nowhere/pbkfs.prom')];
  t.match(await pbkfs(['drill', '-B', catalog.path, '-I', 'main', '-i', good.id, ...nowhere]), {
    status: 2,
    stdout: '',
    stderr: /^pbkfs: cannot write .*nowhere\/pbkfs\.prom: ENOENT\nhint: --metrics-file/,
  });

  const other = join(catalog.path, 'backups/main', good.id, 'backup.control');
  writeFileSync(other, readFileSync(other, 'utf8').replace(/^status = .*$/m, 'status = ERROR'));
  t.match(await drill([]), { status: 1, stderr: /no backup that can be mounted/ });
  t.match(readFileSync(metrics, 'utf8'), /^pbkfs_drill_success\S* 0$/m);
  t.notOk(existsSync(`${metrics}.tmp`));
  await nothingLeftIn(t, scratch);
});
