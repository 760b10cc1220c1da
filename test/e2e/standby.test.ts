// --restore-as-replica with a real primary, and a server that shuts down at its target: by servers that follow what the mount
// has written, and by `pbkfs start`, which does not.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { readControlFile } from '../../src/postgres/control-file.js';
import { spawnIds } from '../../src/postgres/server-user.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { type MountTarget, mountCatalog, mountMissing, pbkfs, type TestMount } from '../support/mount.js';
import { newCluster, postgres15, query, serverTempDir, start } from '../support/postgres.js';

const CLI = fileURLToPath(new URL('../../bundle/cli/pbkfs.js', import.meta.url));

type Asked = Parameters<typeof query>[0];

/** A server of somebody who follows the settings of the data directory; its socket lies in `host`. */
function plainServer(t: Test, { mountpoint }: TestMount): { child: ChildProcess; server: Asked; log: () => string } {
  const { binaries, user } = postgres15();
  const host = serverTempDir(t);
  const args = { unix_socket_directories: host, listen_addresses: '', fsync: 'off', logging_collector: 'off' };
  const settings = Object.entries(args).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawn(join(binaries.binDir, 'postgres'), ['-D', mountpoint, ...settings], {
    ...spawnIds(user),
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGQUIT'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  }
  return { child, server: { connection: { host, port: 5432 } } as Asked, log: () => said };
}

/** Asks until that is the answer, for half a minute at most. @returns the last answer, or why there is none */
async function answered(server: Asked, sql: string, wanted: string): Promise<string> {
  let answer = '';
  for (const deadline = Date.now() + 30_000; answer !== wanted && Date.now() < deadline; await sleep(50)) {
    answer = await query(server, sql).catch((error: Error) => error.message);
  }
  return answer;
}

t.test('replicas and shutdowns', { skip: mountMissing }, async (t) => {
  const dataDir = await newCluster(t, ['--wal-segsize=1']);
  const primary = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off' } });
  const catalog = new LiveCatalog(join(serverTempDir(t), 'catalog'), dataDir);
  await query(primary, 'create table t(n int)');
  const { id } = await catalog.backup(primary, { stream: false });
  await query(primary, 'insert into t values (1)');
  await query(primary, `select pg_create_restore_point('made')`);
  await query(primary, `select pg_create_physical_replication_slot('ours')`);
  await catalog.archive(primary);
  const target: MountTarget = { catalog: catalog.path, instance: 'main', backup: id };
  const following = `select count(*)::text from pg_stat_replication`;

  await t.test('a replica follows its primary, but not under pbkfs start', async (t) => {
    const conninfo = `host=${primary.connection.host} port=${primary.connection.port} user=postgres`;
    const replica = ['--restore-as-replica', '--primary-conninfo', conninfo, '--primary-slot-name', 'ours'];
    const mount = await mountCatalog(t, target, {}, replica);
    t.ok(existsSync(join(mount.mountpoint, 'standby.signal')));
    t.notOk(existsSync(join(mount.mountpoint, 'recovery.signal')));
    t.match(
      readFileSync(join(mount.mountpoint, 'postgresql.auto.conf'), 'utf8'),
      `primary_conninfo = '${conninfo}'\nprimary_slot_name = 'ours'\n`,
    );
    const { child, server, log } = plainServer(t, mount);
    await query(primary, 'insert into t values (2)');
    t.equal(await answered(server, 'select sum(n)::text from t', '3'), '3', log());
    t.equal(await answered(primary, following, '1'), '1');
    child.kill('SIGINT');
    await once(child, 'exit');

    const started = await pbkfs(['start', '-D', mount.mountpoint, '--json']);
    t.equal(started.status, 0, started.stderr);
    t.teardown(() => pbkfs(['stop', '-D', mount.mountpoint, '--now']));
    const { host, port, switchedOff } = JSON.parse(started.stdout) as {
      host: string;
      port: number;
      switchedOff: string[];
    };
    t.strictSame(switchedOff, [`primary_conninfo = '${conninfo}'`, `primary_slot_name = 'ours'`], 'it says so');
    const ours = { connection: { host, port } } as Asked;
    await query(primary, 'insert into t values (4)');
    t.equal(await query(ours, 'select sum(n)::text || pg_is_in_recovery() from t'), '3true', 'read-only, as it was');
    t.equal(await query(ours, 'show primary_conninfo'), '');
    t.equal(await query(primary, following), '0', 'production hears nothing of it');
    t.match(await pbkfs(['stop', '-D', mount.mountpoint]), { status: 0 });
    await mount.unmount();
  });

  await t.test('a server shuts down at its target, and start says why there is none', async (t) => {
    const action = ['--recovery-target-name', 'made', '--recovery-target-action', 'shutdown'];
    // As a restore_command of one's own, with what restore writes for its own program.
    const fetch = `"${process.execPath}" "${CLI}" archive-get -B "${target.catalog}" -I main %f %p`;
    const mount = await mountCatalog(t, target, {}, [...action, '--restore-command', fetch]);
    t.match(readFileSync(join(mount.mountpoint, 'postgresql.auto.conf'), 'utf8'), `restore_command = '${fetch}'\n`);
    const { child, log } = plainServer(t, mount);
    const [status] = await once(child, 'exit');
    t.equal(status, 0, log());
    t.match(log(), /restored log file "0/, 'by archive-get');
    t.match(log(), /shutdown at recovery target/);
    t.equal((await readControlFile(mount.mountpoint)).state, 'shut down in recovery');
    t.match(await pbkfs(['start', '-D', mount.mountpoint]), {
      status: 1,
      stderr: /^pbkfs: the server has reached its recovery target and shut down there.*\nhint: for one that runs/,
    });
    await mount.unmount();
    const source = ['-B', target.catalog, '-I', 'main', '-i', id, '--ephemeral'];
    t.match(await pbkfs(['start', ...source, ...action]), { status: 2, stderr: /leaves no server that runs/ });
  });
  await primary.stop('immediate');
});
