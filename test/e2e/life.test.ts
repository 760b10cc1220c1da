// A server's whole life on a mount, with every command a DBA types meanwhile; what it prints as JSON is checked by pbkfs().

import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { matchWhole } from '../support/match-whole.js';
import { isMounted, mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { postgres15, query, start } from '../support/postgres.js';
import { smallStream } from './targets.js';

/** What a command says as JSON. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await pbkfs([...args, '--json']);
  if (status !== 0) throw new Error(`pbkfs ${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

t.test(
  'a live server: named, exported under protest, stopped by unmount; it goes on from an export',
  { skip: mountMissing },
  async (t) => {
    const target = await smallStream(t);
    const source = ['-B', target.catalog, '-I', target.instance];
    const mount = await mountCatalog(t, target);
    const { mountpoint, diff } = mount;
    // Beside the mount point, where the server's user may go.
    const beside = (name: string): string => join(dirname(mountpoint), name);
    const server = await start(t, mountpoint);
    const data = await query(server, 'show data_directory');
    t.equal(data, mountpoint);
    await query(server, 'create table kept as select generate_series(1, 5000) id');
    await query(server, 'checkpoint');

    await json('show', ...source);
    t.match(await json('validate', ...source, '-i', target.backup), { valid: true });
    const { mounts } = (await json('list')) as { mounts: { mountpoint: string; servers: object[] }[] };
    matchWhole(
      t,
      mounts.find((listed) => listed.mountpoint === mountpoint),
      { state: 'serving', servers: [{ pid: server.pid, dataDirectory: mountpoint }], metricsAddress: null },
    );
    t.match(await json('info', mountpoint), { state: 'serving', diff });
    const file = await query(server, "select pg_relation_filepath('kept')");
    t.match(await json('info', mountpoint, '--file', file), { file });
    t.match(await json('info', mountpoint, '--file', file, '--block', '0'), { block: { from: 'diff' } });
    t.match(await json('stat', mountpoint, '--counters-reset'), { mountpoint });
    await json('sync', mountpoint);
    await json('version');

    t.match(await pbkfs(['unmount', mountpoint, '--stop-timeout', '0', '--json']), {
      status: 1,
      stderr: new RegExp(`"code": ?"mount_busy".*process ${server.pid} `, 's'),
    });
    t.match(await pbkfs(['unmount', mountpoint, '--force']), { status: 1, stderr: /--stop-server/ });
    t.match(await pbkfs(['export', mountpoint, '-o', beside('no'), '--json']), { status: 1, stderr: /server runs on/ });
    t.notOk(existsSync(beside('no')));
    t.match(await json('export', mountpoint, '-o', beside('crashed'), '--force'), { from: mountpoint });
    t.notOk(existsSync(join(beside('crashed'), 'postmaster.pid')), 'nobody is told that a server runs there');
    t.equal(await query(server, 'select count(*) from kept'), '5000', 'the server has not noticed');
    const crashed = await start(t, beside('crashed'));
    t.equal(await query(crashed, 'select count(*) from kept'), '5000', 'it recovers as after a crash');
    await crashed.stop();

    matchWhole(t, await json('unmount', '-D', mountpoint, '--stop-server'), {
      kind: 'clean',
      stoppedServers: [{ pid: server.pid, dataDirectory: mountpoint }],
    });
    t.notOk(isMounted(mountpoint));
    t.match(await json('fsck', '-d', diff), { diff });
    t.match(await json('export', diff, '-o', beside('plain')), { from: diff, to: beside('plain') });
    const { user } = postgres15();
    t.match(statSync(beside('plain')), { uid: user.uid, mode: 0o40700 });
    const plain = await start(t, beside('plain'));
    t.equal(await query(plain, 'select sum(id) from kept'), '12502500', 'PostgreSQL runs on an export');
    await query(plain, 'create table more as select 1');
    await plain.stop();
    chmodSync(beside('plain'), 0o700);
    t.match(await pbkfs(['cleanup', '-d', diff, '--json']), { status: 1, stderr: /diff_not_empty/ });
    matchWhole(t, await json('cleanup', '-d', diff, '--force'), { diff, backupId: target.backup, left: [] });
    t.strictSame(
      readdirSync(dirname(diff)).filter((name) => name === 'diff'),
      [],
    );
  },
);
