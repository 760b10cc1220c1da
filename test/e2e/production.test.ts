// A backup whose configuration points at production by every means there is, on servers of ours: production stays as it is,
// and what this host lacks is named.

import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { nothingLeftIn } from '../support/left-behind.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { connected, newCluster, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { hashTree } from '../support/tree.js';

/** Limits of production, which a standby needs at least as large. */
const LIMITS = {
  max_connections: '230',
  max_worker_processes: '19',
  max_wal_senders: '13',
  max_prepared_transactions: '7',
  max_locks_per_transaction: '97',
};

/** Every setting by which a server reaches out of its data directory, or starts something by itself. */
function pointingAt(production: string): string {
  const touch = (name: string): string => `'touch ${production}/${name}'`;
  return `
    data_directory = '${production}/data'
    hba_file = '${production}/conf/pg_hba.conf'
    ident_file = '${production}/conf/pg_ident.conf'
    external_pid_file = '${production}/run/main.pid'
    unix_socket_directories = '${production}/run'
    listen_addresses = '127.0.0.1'
    port = 54999
    log_directory = '${production}/log'
    logging_collector = on
    log_destination = 'csvlog'
    ssl = on
    ssl_cert_file = '${production}/ssl/server.crt'
    ssl_key_file = '${production}/ssl/server.key'
    ssl_ca_file = '${production}/ssl/ca.crt'
    ssl_crl_dir = '${production}/ssl'
    ssl_passphrase_command = ${touch('asked')}
    krb_server_keyfile = '${production}/ssl/krb'
    archive_mode = always
    archive_command = ${touch('archived')}
    restore_command = ${touch('restored')}
    recovery_end_command = ${touch('recovered')}
    archive_cleanup_command = ${touch('cleaned')}
    promote_trigger_file = '${production}/promote'
    primary_conninfo = 'host=${production}/run port=5432 user=postgres'
    primary_slot_name = 'ours'
    synchronous_standby_names = '*'
    cluster_name = 'production'
    shared_preload_libraries = 'pg_cron,pg_stat_statements'
    session_preload_libraries = 'not_here'
    local_preload_libraries = 'not_here'
    dynamic_library_path = '${production}/lib'
    jit_provider = '${production}/lib/jit'
    cron.database_name = 'postgres'
    max_logical_replication_workers = 4
    shared_buffers = '900GB'
    huge_pages = on
    ${Object.entries(LIMITS)
      .map(([name, value]) => `${name} = ${value}`)
      .join('\n    ')}
  `;
}

interface Trap {
  readonly production: string;
  readonly source: readonly string[];
  /** Its configuration points at production. */
  readonly backup: string;
  /** It has no configuration in it, as in Debian's layout. */
  readonly bare: string;
  readonly scratch: string;
}

async function trap(t: Test): Promise<Trap> {
  const { user } = postgres15();
  const base = serverTempDir(t);
  const [production, scratch] = [join(base, 'production'), join(base, 'scratch')];
  const parts = ['', 'data', 'conf', 'conf/conf.d', 'run', 'log', 'ssl', 'lib'];
  for (const directory of [...parts.map((part) => join(production, part)), scratch]) {
    mkdirSync(directory, { mode: 0o755 });
    chownSync(directory, user.uid, user.gid);
  }
  for (const name of ['data/PG_VERSION', 'conf/pg_hba.conf', 'conf/pg_ident.conf', 'run/main.pid', 'promote']) {
    writeFileSync(join(production, name), '15\n');
    chownSync(join(production, name), user.uid, user.gid);
  }
  writeFileSync(join(production, 'conf/more.conf'), pointingAt(production));
  writeFileSync(join(production, 'conf/conf.d/more.conf'), pointingAt(production));

  const dataDir = await newCluster(t);
  const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off', ...LIMITS } });
  const catalog = new LiveCatalog(join(base, 'catalog'), dataDir);
  const sql = async (...statements: string[]): Promise<void> => {
    for (const statement of statements) await query(server, statement);
  };
  await sql(
    'create table t as select 0.1::float8 + 0.2 as third, n from generate_series(1, 100) n',
    'create role backup login',
    'create role careless superuser login',
    `alter role careless set session_preload_libraries = 'not_here'`,
    'alter role careless set extra_float_digits = -10',
    `alter role careless set statement_timeout = '1ms'`,
    'create database abroad',
    `update pg_database set datcollate = 'xx_XX.UTF-8', datctype = 'xx_XX.UTF-8' where datname = 'abroad'`,
    `create function gone(cstring) returns cstring language c as '$libdir/pgcrypto', 'pg_digest'`,
    `update pg_proc set probin = '$libdir/postgis-3' where proname = 'gone'`,
  );
  const includes = `include '${production}/conf/more.conf'\ninclude_dir '${production}/conf/conf.d'\n`;
  appendFileSync(join(dataDir, 'postgresql.conf'), `${pointingAt(production)}${includes}`);
  writeFileSync(join(dataDir, 'global/ptrack.map'), 'which blocks have changed');
  const auto = join(dataDir, 'postgresql.auto.conf');
  appendFileSync(auto, pointingAt(production));
  const { id: backup } = await catalog.backup(server, { stream: false });
  for (const name of ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf']) rmSync(join(dataDir, name));
  writeFileSync(auto, `proprietary_setting = 'on'\nwork_mem = '5MB'\n`);
  const { id: bare } = await catalog.backup(server, { stream: true });
  await catalog.archive(server);
  await server.stop('immediate');
  return { production, source: ['-B', catalog.path, '-I', 'main'], backup, bare, scratch };
}

t.test('production', { skip: mountMissing }, async (t) => {
  const { production, source, backup, bare, scratch } = await trap(t);
  const before = hashTree(production);
  const started = async (args: readonly string[], said = /^$/) => {
    const result = await pbkfs(['start', ...source, '--ephemeral', '--json', ...args], { TMPDIR: scratch });
    if (result.status !== 0) throw new Error(result.stderr);
    t.match(result.stderr, said);
    const report = JSON.parse(result.stdout) as {
      mountpoint: string;
      host: string;
      port: number;
      switchedOff: string[];
    };
    t.teardown(() => pbkfs(['stop', '-D', report.mountpoint, '--now']));
    return { ...report, connection: { host: report.host, port: report.port } } as typeof report &
      Parameters<typeof query>[0];
  };

  await t.test('is not touched by a server that writes, archives, reloads and promotes', async (t) => {
    const server = await started(['-i', backup, '--recovery-target', 'latest', '--recovery-target-action', 'promote']);
    const map = join(server.mountpoint, 'global/ptrack.map');
    t.notOk(existsSync(map), 'no map of ptrack is left that would lack what this server writes');
    await query(server, 'insert into t select 1, n from generate_series(1, 1000) n');
    await query(server, 'select pg_switch_wal()');
    await query(server, `alter system set archive_command = 'touch ${production}/altered'`);
    t.equal(await query(server, 'select pg_reload_conf()'), 'true');
    await query(server, 'checkpoint');
    for (const [name, value] of [
      ['data_directory', server.mountpoint],
      ['archive_mode', 'off'],
      ['archive_command', '(disabled)'],
      ['listen_addresses', ''],
      ['primary_conninfo', ''],
      ['shared_preload_libraries', ''],
      ['ssl', 'off'],
      ['logging_collector', 'off'],
      ['synchronous_standby_names', ''],
    ] as const) {
      t.equal(await query(server, `show ${name}`), value, name);
    }
    for (const name of ['archive_command', 'shared_preload_libraries', 'primary_conninfo', 'data_directory', 'ssl']) {
      t.ok(
        server.switchedOff.some((line) => line.startsWith(`${name} = `)),
        `${name} is told of`,
      );
    }
    t.match(await pbkfs(['stop', '-D', server.mountpoint]), { status: 0 });
    await nothingLeftIn(t, scratch);
    t.equal(hashTree(production), before);
  });

  await t.test('may have larger limits: a standby starts all the same, and its memory is of this host', async (t) => {
    const server = await started(['-i', backup, '--recovery-target', 'immediate', '--recovery-target-action', 'pause']);
    t.equal(await query(server, 'select pg_is_in_recovery()'), 'true');
    for (const [name, value] of Object.entries(LIMITS)) {
      t.ok(Number(await query(server, `show ${name}`)) >= Number(value), name);
    }
    t.ok(
      Number(await query(server, `select setting::int8 * 8192 from pg_settings where name = 'shared_buffers'`)) <=
        2 ** 30,
    );
    t.match(await pbkfs(['stop', '-D', server.mountpoint]), { status: 0 });
    t.equal(hashTree(production), before);
  });

  const rescue = (...args: string[]) =>
    pbkfs(['rescue', ...source, '-i', backup, '--work-dir', scratch, '-o', join(scratch, 'out'), ...args]);
  await t.test('may have given its roles settings: they change nothing of what is rescued', async (t) => {
    const asked = [
      '--database',
      'postgres',
      '--query',
      'select third from t where n = 1 -- a comment',
      '--format',
      'copy',
    ];
    t.match(await rescue(...asked, '-U', 'careless'), { status: 0, stderr: '' });
    t.equal(readFileSync(join(scratch, 'out'), 'utf8'), '0.30000000000000004\n');
    rmSync(join(scratch, 'out'));
  });

  await t.test('may have what this host lacks: it is named, with a way round', async (t) => {
    for (const [args, message] of [
      [['--database', 'abroad', '--query', 'select 1'], /lacks the locale xx_XX\.UTF-8 .*\nhint: make it: localedef/],
      [
        ['--database', 'postgres', '--query', `select gone('x')`],
        /lacks the library \$libdir\/postgis-3\nhint: install .*postgresql-N-postgis-3\)/,
      ],
      [
        ['--database', 'postgres', '--query', 'select 1', '--preload-libraries', 'not_here'],
        /lacks the library not_here\nhint: /,
      ],
    ] as const) {
      t.match(await rescue(...args), { status: 1, stderr: message });
      t.notOk(existsSync(join(scratch, 'out')));
    }
    await nothingLeftIn(t, scratch);
  });

  await t.test('may keep its configuration elsewhere, and know settings that this server does not', async (t) => {
    const server = await started(['-i', bare], /warning: this server does not know .*: proprietary_setting\n$/);
    t.equal(await query(server, 'select count(*) from t'), '100');
    t.equal(await query(server, 'show work_mem'), '5MB');
    t.equal(await query(server, 'show fsync'), 'off', '--ephemeral');
    const tables = await connected(
      server,
      'postgres',
      async (client) => (await client.query('select * from pg_hba_file_rules')).rowCount,
    );
    t.ok(tables! > 0, 'access rules of our own');
    t.match(await pbkfs(['stop', '-D', server.mountpoint]), { status: 0 });
    await nothingLeftIn(t, scratch);
  });
  t.equal(hashTree(production), before, 'production is as it was');
});
