// PostgreSQL 15 at work on a mount: changes of every kind, pgbench, restarts, crashes, remounts; nothing lost or damaged.

import t from 'tap';
import { wrongAnswers } from '../support/answers.js';
import { amcheckFindings, amcheckMissing, checksumComplaints } from '../support/integrity.js';
import { mountCatalog, mountMissing } from '../support/mount.js';
import { clientProgram, connected, postgres15, query, start } from '../support/postgres.js';
import { run } from '../support/run.js';
import { hashTree } from '../support/tree.js';
import { DATABASE, insertRows, runWorkload } from '../support/workload.js';
import { smallStream } from './targets.js';

const settings = { autovacuum: 'off', checkpoint_timeout: '30s' };
const missing = (name: string): string | false => {
  const tool = clientProgram(name);
  return 'missing' in tool ? tool.missing : false;
};

t.test('changes survive restart, crash and remount; the backup stays as it was', { skip: mountMissing }, async (t) => {
  const target = await smallStream(t);
  const catalogBefore = hashTree(target.catalog);
  const mount = await mountCatalog(t, target);
  const dataDir = mount.mountpoint;
  let server = await start(t, dataDir, { settings });
  const restart = async (): Promise<void> => {
    server = await start(t, dataDir, { settings });
  };
  t.strictSame(await wrongAnswers(server, target.answers), [], 'the backup');

  const answers = { ...target.answers, ...(await runWorkload(server, 'app')) };
  answers.postgres = { ...target.answers.postgres, ...answers.postgres };
  t.strictSame(await wrongAnswers(server, answers), [], 'after create, copy, truncate, vacuum full, drop');

  await server.stop();
  await restart();
  t.strictSame(await wrongAnswers(server, answers), [], 'after a restart');

  const rows = await insertRows(server, 'committed', 200);
  await server.crash();
  await restart();
  t.match(server.log(), /not properly shut down/);
  t.equal(await query(server, 'select max(n) from committed', DATABASE), String(rows), 'after kill -9 of the server');
  t.strictSame(await wrongAnswers(server, answers), []);

  await server.stop();
  await mount.unmount();
  await mount.remount();
  await restart();
  t.equal(await query(server, 'select count(*) from committed', DATABASE), String(rows), 'after unmount and remount');
  t.strictSame(await wrongAnswers(server, answers), []);

  const skip = await amcheckMissing(server);
  await t.test('amcheck finds nothing', { skip }, async (t) => t.strictSame(await amcheckFindings(server), []));
  await server.stop();
  await t.test('pg_checksums finds nothing', { skip: missing('pg_checksums') }, async (t) =>
    t.equal(await checksumComplaints(dataDir), ''),
  );
  await mount.unmount();
  t.equal(hashTree(target.catalog), catalogBefore, 'not a byte of the catalog changed');
});

t.test('pgbench keeps its books: TPC-B with two clients', { skip: mountMissing || missing('pgbench') }, async (t) => {
  const mount = await mountCatalog(t, await smallStream(t));
  const server = await start(t, mount.mountpoint);
  const { host, port } = server.connection;
  const pgbench = async (...args: string[]): Promise<string> => {
    const tool = clientProgram('pgbench');
    if ('missing' in tool) throw new Error(tool.missing);
    const common = ['-h', host, '-p', String(port), '-U', 'postgres', ...args, 'postgres'];
    const result = await run(tool.path, common, { user: postgres15().user, timeout: 120_000 });
    t.equal(result.status, 0, result.stderr);
    return result.stdout;
  };
  await pgbench('-i', '-q', '-s', '5');
  const report = await pgbench('-c', '2', '-j', '2', '-T', '20');
  t.comment(/^tps = .*$/m.exec(report)?.[0] ?? report);
  const done = Number(/actually processed: (\d+)/.exec(report)?.[1]);
  t.ok(done > 100, `${done} transactions`);
  t.match(report, /number of failed transactions: 0 /);
  const sums = await connected(server, 'postgres', async (client) => {
    const { rows } = await client.query<{ a: string; b: string; t: string; h: string; n: string }>(`
      select (select sum(abalance) from pgbench_accounts)::text as a, (select sum(bbalance) from pgbench_branches)::text as b,
             (select sum(tbalance) from pgbench_tellers)::text as t, (select sum(delta) from pgbench_history)::text as h,
             (select count(*) from pgbench_history)::text as n`);
    return rows[0];
  });
  t.strictSame(sums, { a: sums.a, b: sums.a, t: sums.a, h: sums.a, n: String(done) });

  const skip = await amcheckMissing(server);
  await t.test('amcheck finds nothing', { skip }, async (t) => t.strictSame(await amcheckFindings(server), []));
  await server.stop();
  await t.test('pg_checksums finds nothing', { skip: missing('pg_checksums') }, async (t) =>
    t.equal(await checksumComplaints(mount.mountpoint), ''),
  );
});
