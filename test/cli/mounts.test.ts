// list, stat, sync, unmount and cleanup on real mounts: their output, what they do, and what they refuse.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isAlive } from '../../src/sys/process-identity.js';
import { SmallMount, smallMount, unmounted } from '../mount/small-mount.js';
import { matchWhole } from '../support/match-whole.js';
import { CLI, isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { run } from '../support/run.js';
import { faults } from '../support/schema.js';
import { until } from '../support/until.js';

interface Listed {
  readonly mounts: { mountpoint: string; state: string; [key: string]: unknown }[];
}

/** Mounts of others may come and go meanwhile. */
async function listed(...mounts: readonly SmallMount[]): Promise<Listed['mounts']> {
  const { status, stdout } = await pbkfs(['list', '--json']);
  if (status !== 0) throw new Error('list failed');
  const points = new Set(mounts.map(({ mountpoint }) => mountpoint));
  return (JSON.parse(stdout) as Listed).mounts.filter(({ mountpoint }) => points.has(mountpoint));
}

/** Somebody who keeps a mount busy. */
async function user(t: Test, mount: SmallMount): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', 'echo ready; exec sleep 120'], {
    cwd: mount.mountpoint,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  return child;
}

t.test('three mounts at once, names with blanks and Cyrillic letters', { skip: mountMissing }, async (t) => {
  const mounts = [unmounted(t), unmounted(t), unmounted(t)].map((mount, at) => {
    const named = new SmallMount(mount.base, join(mount.base, `дифф ${at}`));
    Object.assign(named, { mountpoint: join(mount.base, `точка монтирования ${at}`) });
    mkdirSync(named.mountpoint);
    t.teardown(() => named.discard());
    return named;
  });
  const [first, second, third] = mounts as [SmallMount, SmallMount, SmallMount];
  for (const mount of mounts) await mount.first();
  const found = await listed(...mounts);
  t.equal(found.length, 3);
  for (const mount of mounts) {
    matchWhole(
      t,
      found.find(({ mountpoint }) => mountpoint === mount.mountpoint),
      {
        state: 'serving',
        instance: 'main',
        diff: mount.diff,
        catalog: mount.catalog,
        pid: mount.process().pid,
        chain: [String, String, String],
        servers: [],
      },
    );
  }
  t.match((await pbkfs(['list'])).stdout, new RegExp(`\n${first.mountpoint} +main +\\w+ +3 +serving +- `));
  const gone = await pbkfs(['unmount', '-d', second.diff, '--json']);
  t.match(JSON.parse(gone.stdout), { kind: 'clean', mountpoint: second.mountpoint, diff: second.diff });
  t.strictSame(
    (await listed(...mounts)).map(({ mountpoint }) => mountpoint).sort(),
    [first.mountpoint, third.mountpoint].sort(),
  );
  t.match(await pbkfs(['stat', first.mountpoint]), { status: 0, stdout: new RegExp(`on ${first.mountpoint}`) });
  await third.kill9();
  matchWhole(t, await listed(third), [{ state: 'dead', pid: null, diff: third.diff }]);
  t.match(await pbkfs(['stat', third.mountpoint]), { status: 1, stderr: /is dead.*\nhint: pbkfs unmount -D/ });
  t.match(await pbkfs(['unmount', '-d', third.diff]), { status: 0, stdout: /^took away the dead mount/ });
  t.match(await pbkfs(['unmount', '-d', third.diff]), { status: 1, stderr: /is not mounted\nhint: it was last/ });
  t.match(await pbkfs(['unmount', '-D', first.mountpoint]), { status: 0 });
  t.strictSame(await listed(...mounts), []);
});

t.test('a umask that takes all rights, and a mount point with a line feed', { skip: mountMissing }, async (t) => {
  const { base, catalog } = unmounted(t);
  const mount = new SmallMount(base, join(base, 'diff'));
  Object.assign(mount, { mountpoint: join(base, 'a\n\u001bb') });
  mkdirSync(mount.mountpoint);
  t.teardown(() => mount.discard());
  const args = ['mount', '-B', catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  t.match(await run('sh', ['-c', 'umask 777; exec "$@"', 'sh', process.execPath, CLI, ...args]), {
    status: 0,
    stderr: '',
  });
  const main = join(catalog, 'backups/main');
  const locks = readdirSync(main)
    .map((id) => join(main, id, 'backup_ro.pid'))
    .filter((path) => existsSync(path));
  t.ok(locks.length > 0);
  for (const file of [...locks, ...['journal', 'lock', 'pbkfs.log'].map((name) => join(mount.diff, name))]) {
    t.equal(statSync(file).mode & 0o777, 0o600, file);
  }
  const { stdout } = await pbkfs(['list']);
  t.match(stdout, `${base}/a\\x0a\\x1bb `, 'one line in the table');
  await mount.unmount();
  for (const path of locks) t.notOk(existsSync(path), 'pg_probackup finds no lock of ours');
});

t.test('stat counts from the last reset', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const stat = async (...options: string[]) => {
    const { status, stdout, stderr } = await pbkfs(['stat', mount.mountpoint, '--format', 'json', ...options]);
    if (status !== 0) throw new Error(stderr);
    t.strictSame(faults('stat', stdout), []);
    return JSON.parse(stdout) as { since: string; counters: { bytesWritten: number }; diff: string };
  };
  writeFileSync(mount.path('base/1/new'), 'x'.repeat(1000));
  t.match(await stat(), { counters: { bytesWritten: 1000 }, diff: mount.diff });
  t.match(await stat('--counters-reset'), { counters: { bytesWritten: 1000 } }, 'the last look before');
  writeFileSync(mount.path('base/1/new'), 'x'.repeat(20));
  const since = await stat();
  t.equal(since.counters.bytesWritten, 20);
  t.match(await stat('--total'), { counters: { bytesWritten: 1020 } });
  t.match(await pbkfs(['stat', '-D', mount.mountpoint]), {
    status: 0,
    stdout: /Bytes accepted from writers \(pbkfs_write_bytes_total\)\n {2}20 B\n/,
  });
  const watch = spawn(process.execPath, [...mount.program, 'stat', mount.mountpoint, '--watch', '0.1']);
  let text = '';
  watch.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await until(() => /counted since/.test(text), 30_000);
  writeFileSync(mount.path('base/1/new'), 'x'.repeat(3));
  await until(() => /bytesWritten 3 B/.test(text), 30_000);
  watch.kill('SIGINT');
  t.equal(await new Promise((resolve) => watch.once('close', resolve)), 0, 'Ctrl-C is the ordinary end');
  await mount.unmount();
  await mount.remount();
  t.match(await stat(), { counters: { bytesWritten: 0 } }, 'a new mount, a new count');
  await mount.unmount();
  t.match(await pbkfs(['stat', mount.mountpoint]), { status: 1, stderr: /^pbkfs: nothing is mounted on / });
});

t.test('sync makes durable what nobody has synced', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  writeFileSync(mount.path('base/1/new'), 'kept');
  writeFileSync(mount.path('base/1/raw'), 'changed', { flag: 'r+' });
  const { status, stdout } = await pbkfs(['sync', mount.mountpoint, '--json']);
  t.equal(status, 0);
  t.match(JSON.parse(stdout), { mountpoint: mount.mountpoint, diff: mount.diff });
  t.match(await pbkfs(['sync', '-D', mount.mountpoint]), { status: 0, stdout: /^everything written to .* is durable/ });
  t.match(await pbkfs(['sync', mount.path('base')]), { status: 1, stderr: /hint: it lies in the mount on/ });
  renameSync(mount.diff, `${mount.diff}-moved`);
  t.match(await pbkfs(['sync', mount.mountpoint]), {
    status: 1,
    stdout: '',
    stderr: /its diff .* is not there any more/,
  });
  renameSync(`${mount.diff}-moved`, mount.diff);
  t.equal((await pbkfs(['sync', mount.mountpoint])).status, 0);
  await mount.unmount();
});

t.test('one that hangs is listed, and keeps no command for ever', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { pid } = mount.process();
  const copy = join(mount.base, 'copy');
  mkdirSync(copy);
  await run('mount', ['--bind', mount.mountpoint, copy]);
  process.kill(pid, 'SIGSTOP');
  t.teardown(() => process.kill(pid, 'SIGCONT'));
  const json = await pbkfs(['list', '--json']);
  t.strictSame(faults('list', json.stdout), []);
  const states = (JSON.parse(json.stdout) as Listed).mounts
    .filter(({ mountpoint }) => [mount.mountpoint, copy].includes(mountpoint))
    .map(({ state }) => state);
  t.strictSame(states, ['hung', 'hung']);
  t.match(await pbkfs(['info', mount.mountpoint]), { status: 0, stdout: / \(hung\)\n/ });
  t.match(await pbkfs(['unmount', copy]), { status: 0, stdout: /a bind mount of/ });
  const syncing = spawn(process.execPath, [...mount.program, 'sync', mount.mountpoint]);
  let said = '';
  syncing.stderr.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  await until(() => said !== '', 30_000);
  t.equal(said, `waiting: process ${pid} of ${mount.mountpoint} is stopped: "kill -CONT ${pid}" lets it go on\n`);
  process.kill(pid, 'SIGCONT');
  t.equal(await new Promise((resolve) => syncing.once('close', resolve)), 0);
  mount.fault('slow-names', '20000');
  const maker = spawn('mkdir', [mount.path('base/slow')], { stdio: 'ignore' });
  await until(async () => (await listed(mount))[0]?.state === 'hung', 30_000);
  matchWhole(t, await listed(mount), [{ state: 'hung', pid }]);
  mount.heal('slow-names');
  await new Promise((resolve) => maker.once('close', resolve));
  matchWhole(t, await listed(mount), [{ state: 'serving', pid }]);
  await mount.unmount();
});

t.test('one that only another mount namespace has is listed as such', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const args = ['mount', '-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const command = ['--mount', '--propagation', 'private', process.execPath, CLI, ...args];
  t.match(await run('unshare', command), { status: 0 });
  const { pid } = mount.process();
  matchWhole(t, await listed(mount), [{ state: 'elsewhere', pid }]);
  process.kill(pid, 'SIGTERM');
  await until(() => mount.state().state === 'clean', 30_000);
});

t.test('a busy mount: waits, names the users, forces, goes out of sight', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const sleeper = await user(t, mount);
  const named = new RegExp(`process ${sleeper.pid} \\(sleep 120\\): cwd ${mount.mountpoint}`);
  t.match(await pbkfs(['unmount', '-D', mount.mountpoint, '--stop-timeout', '1']), { status: 1, stderr: named });
  t.ok(mount.mounted);
  const waiting = pbkfs(['unmount', '-D', mount.mountpoint, '--stop-timeout', '60']);
  setTimeout(() => sleeper.kill(), 500);
  t.match(await waiting, { status: 0, stdout: /^unmounted/ }, 'it goes on when they leave');
  await mount.remount();
  writeFileSync(mount.path('base/1/new'), 'kept');
  const other = await user(t, mount);
  const owner = mount.process();
  t.match(await pbkfs(['unmount', '-d', mount.diff, '--force']), { status: 0, stdout: /^unmounted/ });
  t.notOk(mount.mounted);
  t.notOk(isAlive(owner));
  t.equal(mount.state().state, 'clean');
  other.kill();
  await mount.remount();
  t.ok(existsSync(mount.path('base/1/new')));
  const last = await user(t, mount);
  const lazy = await pbkfs(['unmount', '-D', mount.mountpoint, '--lazy', '--json']);
  t.match(JSON.parse(lazy.stdout), { kind: 'detached' });
  t.notOk(mount.mounted);
  matchWhole(t, await listed(mount), [{ state: 'ending' }]);
  last.kill();
  await until(() => mount.state().state === 'clean', 30_000);
});

t.test('cleanup wipes what nobody needs, and nothing else', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { diff } = mount;
  t.match(await pbkfs(['cleanup', '-d', diff, '--force']), {
    status: 1,
    stderr: new RegExp(`in use by process ${mount.process().pid}, mounted on ${mount.mountpoint}`),
  });
  t.equal(isMounted(mount.mountpoint), true);
  await mount.unmount();
  t.match(await pbkfs(['cleanup', '-d', diff, '--json']), { status: 0 }, 'nothing was written: no --force');
  t.notOk(existsSync(diff));
  await mount.first();
  writeFileSync(mount.path('base/1/new'), 'x');
  await mount.unmount();
  t.match(await pbkfs(['cleanup', '-d', diff]), {
    status: 1,
    stderr: /is not wiped: it holds what was written.*\nhint: --force/,
  });
  await mount.remount();
  t.ok(existsSync(mount.path('base/1/new')), 'a refused cleanup has changed nothing');
  await mount.unmount();
  writeFileSync(join(diff, '.pbkfs-dirty'), 'as --perf-unsafe leaves it');
  t.match(await pbkfs(['export', diff, '-o', join(mount.base, 'copy')]), { status: 1, stderr: /--perf-unsafe/ });
  writeFileSync(join(diff, 'mine'), 'x');
  t.match(await pbkfs(['cleanup', '-d', diff, '--force']), { status: 0, stdout: /left in it.*: mine\n$/ });
  t.strictSame(readdirSync(diff), ['mine']);
  t.match(
    await pbkfs(['cleanup', '-d', diff, '--force']),
    { status: 1, stderr: /not a pbkfs diff: it holds "mine"/ },
    'not ours',
  );
  rmSync(diff, { recursive: true });
  t.match(await pbkfs(['cleanup', '-d', diff]), { status: 1, stderr: /does not exist: no diff/ });
  for (const directory of [mount.base, mount.catalog]) {
    t.match(await pbkfs(['cleanup', '-d', directory, '--force']), { status: 1 });
    t.ok(readdirSync(directory).length > 0);
  }
});
