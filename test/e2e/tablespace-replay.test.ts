// Replaying CREATE TABLESPACE: the server sees directories of the mount where the WAL names absolute paths, and what is
// at those paths on this host stays what it was.

import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { whyNoNamespace } from '../../src/postgres/private-namespace.js';
import { childrenOf, killHard } from '../../src/postgres/processes.js';
import { identityOf } from '../../src/sys/process-identity.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { newCluster, postgres15, query, serverDirectory, serverTempDir, start } from '../support/postgres.js';
import { hashTree } from '../support/tree.js';

const ROOT = `/pbkfs-test-${process.pid}`;

interface Story {
  readonly catalog: string;
  readonly backup: string;
  /** Paths that the WAL names: one with files of production in it, one whose parent is there, one without even that. */
  readonly paths: { readonly there: string; readonly near: string; readonly far: string };
  readonly production: string;
}

async function story(t: Test): Promise<Story> {
  const { user } = postgres15();
  const base = serverTempDir(t);
  chmodSync(base, 0o755);
  const production = join(base, 'production');
  const make = (path: string): string => {
    mkdirSync(path, { recursive: true });
    chownSync(path, user.uid, user.gid);
    return path;
  };
  make(production);
  t.teardown(() => rmSync(ROOT, { recursive: true, force: true }));
  const paths = { there: join(production, 'there'), near: join(production, 'near'), far: join(ROOT, 'a b/far') };
  for (const path of Object.values(paths)) make(path);
  const dataDir = await newCluster(t, ['--wal-segsize=1']);
  const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off' } });
  const catalog = new LiveCatalog(join(base, 'catalog'), dataDir);
  const { id } = await catalog.backup(server, { stream: false });
  for (const [name, path] of Object.entries(paths)) {
    await query(server, `create tablespace ${name} location '${path}'`);
    await query(server, `create table in_${name} tablespace ${name} as select generate_series(1, 1000) n`);
  }
  await query(server, `select pg_create_restore_point('made')`);
  await catalog.archive(server);
  await server.stop('immediate');
  rmSync(paths.near, { recursive: true });
  rmSync(ROOT, { recursive: true });
  // What must stay: PostgreSQL removes such a directory before it makes its own.
  const version = readdirSync(paths.there)[0]!;
  writeFileSync(join(paths.there, version, 'not yours'), 'production');
  chmodSync(paths.there, 0o750);
  return { catalog: catalog.path, backup: id, paths, production };
}

const skip = mountMissing || whyNoNamespace() || false;

t.test('replayed tablespaces are made on the mount', { skip }, async (t) => {
  const { catalog, backup, paths, production } = await story(t);
  const before = hashTree(production);
  const base = serverTempDir(t);
  const newMountpoint = (name: string): string => {
    const mountpoint = join(base, name);
    serverDirectory(mountpoint);
    t.teardown(() => pbkfs(['stop', '-D', mountpoint, '--now']));
    return mountpoint;
  };
  const mountpoint = newMountpoint('mount');
  const place = ['-D', mountpoint];
  const started = async (args: readonly string[]) => {
    const { status, stdout, stderr } = await pbkfs(['start', ...args, '--json']);
    t.equal(status, 0, stderr);
    const { host, port, pid } = JSON.parse(stdout) as { host: string; port: number; pid: number };
    const connection = { connection: { host, port } } as Parameters<typeof query>[0];
    return { pid, host, said: stderr, ask: (sql: string) => query(connection, sql) };
  };
  const answers = async (args: readonly string[]) => (await started(args)).ask;
  const unchanged = (t: Test): void => {
    t.equal(hashTree(production), before, 'production is what it was');
    t.notOk(existsSync(ROOT), 'and what was not there is not');
  };

  const source = ['-B', catalog, '-I', 'main', '-i', backup, '-d', join(base, 'diff')];
  const all = ['--recovery-target', 'latest', '--recovery-target-action', 'promote'];
  const ask = await answers([...source, ...place, ...all]);
  for (const name of Object.keys(paths)) t.equal(await ask(`select sum(n) from in_${name}`), '500500', name);
  await ask('create table later tablespace far as select 1 as n');
  unchanged(t);
  const links = readdirSync(join(mountpoint, 'pg_tblspc'));
  t.equal(links.length, 3);
  for (const oid of links) t.equal(readlinkSync(join(mountpoint, 'pg_tblspc', oid)), `../.pbkfs/tablespaces/${oid}`);
  t.match(await pbkfs(['stop', ...place]), { status: 0, stdout: /unmounted/ });
  unchanged(t);

  t.equal((await pbkfs(['mount', ...place, '-d', join(base, 'diff')])).status, 0);
  const again = await answers(place);
  t.equal(await again('select sum(n) from in_there'), '500500', 'a server without such paths finds them on the mount');
  t.equal(await again('select n from later'), '1');
  t.match(await pbkfs(['stop', ...place]), { status: 0 });
  t.match(await pbkfs(['unmount', ...place]), { status: 0 });
  unchanged(t);

  await t.test('also when a server dies before its first checkpoint and another replays them again', async (t) => {
    const other = newMountpoint('other');
    const target = ['--recovery-target-name', 'made', '--recovery-target-action', 'pause'];
    const source = ['-B', catalog, '-I', 'main', '-i', backup, '-d', join(base, 'other-diff')];
    const first = await started([...source, '-D', other, ...target]);
    t.equal(await first.ask('select pg_promote()'), 'true');
    const all = [identityOf(first.pid)!, ...childrenOf(first.pid)];
    for (const process of all) killHard(process);
    // PostgreSQL also takes one for alive whom nobody has buried yet.
    while (all.some(({ pid }) => existsSync(`/proc/${pid}`))) await sleep(20);
    t.notOk(existsSync(join(other, 'recovery.signal')));
    const second = await started(['-D', other]);
    t.match(second.said, /the WAL creates a tablespace in .*there: on this mount/);
    t.equal(await second.ask('select sum(n) from in_there'), '500500');
    unchanged(t);
    t.match(await pbkfs(['stop', '-D', other]), { status: 0, stdout: /unmounted/ }, 'the mount that start made');
    t.notOk(existsSync(first.host) || existsSync(second.host), 'no private directory of either');
    unchanged(t);
  });
});

t.test('tablespaces without a path, in the backup and in its WAL', { skip: mountMissing }, async (t) => {
  const dataDir = await newCluster(t, ['--wal-segsize=1']);
  const settings = { wal_keep_size: '1GB', fsync: 'off', allow_in_place_tablespaces: 'on' };
  const server = await start(t, dataDir, { settings });
  const catalog = new LiveCatalog(join(serverTempDir(t), 'catalog'), dataDir);
  const make = async (name: string): Promise<void> => {
    await query(server, `create tablespace ${name} location ''`);
    await query(server, `create table in_${name} tablespace ${name} as select generate_series(1, 1000) n`);
  };
  const none = await catalog.backup(server, { stream: false });
  await make('before');
  const one = await catalog.backup(server, { stream: false, mode: 'DELTA' });
  await make('after');
  await catalog.archive(server);
  await server.stop('immediate');
  const base = serverTempDir(t);
  const sql = join(base, 'check.sql');
  const drilled = async (id: string, tables: readonly string[], target: string): Promise<void> => {
    writeFileSync(sql, tables.map((table) => `select sum(n) = 500500 from ${table};`).join('\n'));
    const args = ['-B', catalog.path, '-I', 'main', '-i', id, '--recovery-target', target, '--sql', sql, '--checksums'];
    const { status, stdout, stderr } = await pbkfs(['drill', ...args]);
    t.equal(status, 0, `${id} to ${target}: ${stdout}${stderr}`);
  };
  await drilled(one.id, ['in_before'], 'immediate');
  await drilled(one.id, ['in_before', 'in_after'], 'latest');
  await drilled(none.id, ['in_before', 'in_after'], 'latest');
});
