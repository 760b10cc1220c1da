// A server's life on an ordinary data directory: start, stop, crash, recovery, errors.

import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { makePrivateDir, newPrivatePath, removePrivateDir } from '../../src/postgres/private-dir.js';
import { connected, newCluster, postgres15, query, serverTempDir, start } from '../support/postgres.js';

/** A killed orphan may stay a zombie until init looks. */
function runs(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

t.test('runs as an unprivileged user, answers, keeps its data over a restart', async (t) => {
  const dataDir = await newCluster(t);
  const first = await start(t, dataDir);
  t.equal(Number(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]), first.pid);
  const status = readFileSync(`/proc/${first.pid}/status`, 'utf8');
  t.match(status, new RegExp(`^Uid:\\s+${postgres15().user.uid}\\s`, 'm'));
  t.not(postgres15().user.uid, 0);
  await query(first, 'create table kept as select generate_series(1, 1000) as n');
  await first.stop();
  t.notOk(existsSync(first.connection.host), 'the private directory is gone');
  t.match(first.log(), /database system is shut down/, 'the log stays readable');

  const second = await start(t, dataDir);
  t.equal(await query(second, 'select sum(n) from kept'), '500500');
  await second.stop('immediate');
});

t.test('a long TMPDIR leaves no room for a socket: that goes to /tmp', async (t) => {
  const { user } = postgres15();
  const before = process.env.TMPDIR;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  const base = serverTempDir(t);
  const of = (length: number): string => join(base, 'x'.repeat(length - base.length - 1));
  for (const [length, room] of [
    [76, true],
    [77, false],
    [130, false],
  ] as const) {
    const directory = of(length);
    mkdirSync(directory);
    chownSync(directory, user.uid, user.gid);
    chmodSync(base, 0o755);
    process.env.TMPDIR = directory;
    const made = makePrivateDir(newPrivatePath(user), user);
    t.teardown(() => removePrivateDir(made));
    t.equal(made.path.startsWith(room ? `${directory}/` : '/tmp/pbkfs-pg-'), true, made.path);
    t.ok(Buffer.byteLength(join(made.socketDir, '.s.PGSQL.65535')) <= 107, 'room for the longest name');
  }
});

t.test('recovers committed rows after a crash of all its processes', async (t) => {
  const dataDir = await newCluster(t);
  const crashed = await start(t, dataDir);
  await query(crashed, 'create table kept(n int)');
  await query(crashed, 'insert into kept select generate_series(1, 100)');
  const backend = await connected(crashed, 'postgres', async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await crashed.crash();
    return rows[0].pid;
  });
  t.notOk(runs(backend), 'its backends are gone too');
  t.ok(existsSync(join(dataDir, 'postmaster.pid')), 'as after a crash');

  const recovered = await start(t, dataDir);
  t.equal(await query(recovered, 'select count(*) from kept'), '100');
  t.match(recovered.log(), /database system was not properly shut down/);
  await recovered.stop();
});

t.test('outranks what the data directory asks for', async (t) => {
  const dataDir = await newCluster(t);
  const elsewhere = join(dataDir, 'pretend-production');
  await appendFile(
    join(dataDir, 'postgresql.auto.conf'),
    `data_directory = '${elsewhere}'
     hba_file = '${elsewhere}/hba'
     external_pid_file = '${elsewhere}.pid'
     listen_addresses = '*'
     archive_mode = on
     archive_command = 'touch ${elsewhere}.archived'
     primary_conninfo = 'host=production'
     restore_command = 'touch ${elsewhere}.restored; false'
     recovery_target_time = '2020-01-01'
     shared_preload_libraries = 'not_installed'
     synchronous_standby_names = '*'
     logging_collector = on
     ssl = on
     zero_damaged_pages = on
     ignore_invalid_pages = on
    `,
  );
  const server = await start(t, dataDir);
  for (const [name, value] of [
    ['data_directory', dataDir],
    ['listen_addresses', ''],
    ['archive_mode', 'off'],
    ['restore_command', ''],
    ['primary_conninfo', ''],
    ['recovery_target_time', ''],
    ['external_pid_file', join(server.connection.host, 'server.pid')],
    ['unix_socket_directories', server.connection.host],
    ['zero_damaged_pages', 'off'],
    ['ignore_invalid_pages', 'off'],
  ]) {
    t.equal(await query(server, `show ${name}`), value, name);
  }
  await query(server, 'create table t as select 1'); // would wait for a standby
  await query(server, 'select pg_switch_wal()');
  await server.stop();
  t.strictSame(
    ['', '.pid', '.archived', '.restored'].filter((suffix) => existsSync(elsewhere + suffix)),
    [],
    'nothing was written where the configuration pointed',
  );
});

t.test('refuses settings that would undo the protection', async (t) => {
  const dataDir = await newCluster(t);
  for (const [name, value] of [
    ['listen_addresses', '*'],
    ['Listen_Addresses', '*'],
    ['port', '77'],
  ] as const) {
    await t.rejects(start(t, dataDir, { settings: { [name]: value } }), { code: 'usage', hint: /--help/ }, name);
  }
});

t.test('a server that cannot start fails with the end of its log and leaves nothing', async (t) => {
  const dataDir = await newCluster(t);
  rmSync(join(dataDir, 'pg_wal'), { recursive: true });
  await t.rejects(start(t, dataDir), { code: 'server_failed', hint: /pg_wal/ });
  t.notOk(existsSync(join(dataDir, 'postmaster.pid')));
});

t.test('an unknown control file is named', async (t) => {
  const dataDir = await newCluster(t);
  writeFileSync(join(dataDir, 'global', 'pg_control'), Buffer.alloc(8192, 7));
  await t.rejects(start(t, dataDir), { code: 'server_failed', message: /control file version/ });
});
