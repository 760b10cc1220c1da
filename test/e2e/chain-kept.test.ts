// The chain of a living mount: locked against pg_probackup, watched, and never served once it is another one.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import { startTime } from '../support/catalog-writer.js';
import { mountCatalog, mountMissing, pbkfs, type TestMount } from '../support/mount.js';
import type { Teardown } from '../support/postgres.js';
import { smallFiles, writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

const ids = [1, 2, 3].map((n) => backupIdOf(startTime(n)));

function catalogOf(t: Teardown): string {
  const directory = temporaryDirectory('pbkfs-catalog-');
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return writeSmallCatalog(join(directory, 'catalog'));
}

function path(catalog: string, id: string, name: string): string {
  return join(catalog, 'backups/main', id, name);
}

function holders(catalog: string): string[][] {
  return ids.map((id) => {
    const file = path(catalog, id, 'backup_ro.pid');
    return existsSync(file) ? readFileSync(file, 'latin1').trimEnd().split('\n') : [];
  });
}

interface Status {
  readonly chainState: string;
  readonly chainLock: string;
  readonly counters: Record<string, number>;
}

function status(mount: TestMount): Status {
  return JSON.parse(readFileSync(join(mount.mountpoint, '.pbkfs/stat'), 'utf8')) as Status;
}

function log(mount: TestMount): string {
  return readFileSync(join(mount.diff, 'pbkfs.log'), 'utf8');
}

const target = (catalog: string) => ({ catalog, instance: 'main', backup: 'latest' });

t.test('locked while mounted, by two mounts at once, and free afterwards', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  const before = readdirSync(path(catalog, ids[0]!, '')).sort();
  const one = await mountCatalog(t, target(catalog));
  const two = await mountCatalog(t, target(catalog));
  for (const pids of holders(catalog)) t.equal(pids.length, 2);
  t.match(status(one), { chainState: 'intact', chainLock: /^held by process \d+$/ });
  await one.unmount();
  for (const pids of holders(catalog)) t.equal(pids.length, 1);
  await two.unmount();
  t.same(holders(catalog), [[], [], []]);
  t.same(readdirSync(path(catalog, ids[0]!, '')).sort(), before, 'nothing is left in the catalog');
});

t.test('free again after kill -9 of the mount process', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  const mount = await mountCatalog(t, target(catalog));
  t.equal(holders(catalog)[2]!.length, 1);
  await mount.kill9();
  await until(() => holders(catalog).every((pids) => pids.length === 0));
  await mount.unmountDead();
});

t.test('a killed lock holder is replaced', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  const mount = await mountCatalog(t, target(catalog));
  const [first] = holders(catalog)[0]!;
  process.kill(Number(first), 'SIGKILL');
  await until(() => holders(catalog).every((pids) => pids.length === 1 && pids[0] !== first));
  t.match(log(mount), /locking them again/);
});

t.test('a chain that somebody is changing is not mounted (trap 37)', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  const deleter = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => deleter.kill('SIGKILL'));
  writeFileSync(path(catalog, ids[1]!, 'backup.pid'), `${deleter.pid}\n`);
  const mount = mountCatalog(t, target(catalog));
  await t.rejects(mount, { message: new RegExp(`backup ${ids[1]} is locked by process ${deleter.pid}`) });
  t.same(holders(catalog), [[], [], []]);
});

t.test('a backup deleted underneath gives EIO for what only it has (trap 37)', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  const mount = await mountCatalog(t, target(catalog));
  const small = join(mount.mountpoint, 'base/1/small');
  t.ok(readFileSync(small).equals(smallFiles.get('base/1/small')!));
  writeFileSync(join(mount.mountpoint, 'PG_VERSION'), 'mine');
  const control = path(catalog, ids[2]!, 'backup.control');
  const text = readFileSync(control, 'latin1');
  writeFileSync(control, `${text}note = 'pinned'\n`);
  await new Promise((resolve) => setTimeout(resolve, 4000));
  t.equal(status(mount).chainState, 'intact', 'a note is no change');
  writeFileSync(control, text.replace('status = OK', 'status = DELETING'));
  await until(() => status(mount).chainState !== 'intact');
  t.match(status(mount).chainState, `backup ${ids[2]} was changed`);
  t.throws(() => readFileSync(join(mount.mountpoint, 'base/1/100')), { code: 'EIO' });
  t.throws(() => readFileSync(join(mount.mountpoint, 'base/1/raw')), { code: 'EIO' });
  t.equal(readFileSync(join(mount.mountpoint, 'PG_VERSION'), 'latin1'), 'mine', 'the diff is still served');
  t.ok((status(mount).counters.chainChanged ?? 0) >= 2);
  t.match(log(mount), new RegExp(`ERROR backup ${ids[2]} was changed under the mount`));
  const metrics = readFileSync(join(mount.mountpoint, '.pbkfs/metrics'), 'utf8');
  t.match(metrics, /^pbkfs_chain_intact\{.*\} 0$/m, 'the metric of the chain');
  const refused = /^pbkfs_verify_failures_total\{.*kind="changed".*\} (\d+)$/m.exec(metrics)?.[1];
  t.ok(Number(refused) >= 2, 'the metric of refusals');
  const info = await pbkfs(['info', mount.mountpoint]);
  t.match(info, { status: 0, stdout: new RegExp(`chain +backup ${ids[2]} was changed`) });
  await mount.unmount();
});

t.test('a read-only catalog mounts with a warning (trap 37)', { skip: mountMissing }, async (t) => {
  const catalog = catalogOf(t);
  execFileSync('mount', ['--bind', catalog, catalog]);
  t.teardown(() => execFileSync('umount', [catalog]));
  execFileSync('mount', ['-o', 'remount,bind,ro', catalog]);
  const mount = await mountCatalog(t, target(catalog));
  t.ok(readFileSync(join(mount.mountpoint, 'base/1/100')).equals(smallFiles.get('base/1/100')!));
  t.match(status(mount), { chainState: 'intact', chainLock: /read-only/ });
  await mount.unmount();
  const again = await pbkfs(['mount', '-D', mount.mountpoint, '-d', mount.diff]);
  t.match(again, { status: 0, stderr: /warning: .*read-only/ });
});
