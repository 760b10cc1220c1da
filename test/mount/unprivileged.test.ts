// The whole life of a mount made without root, through fusermount3.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { canReach } from '../../src/postgres/reachable.js';
import { type ServerUser, serverUser } from '../../src/postgres/server-user.js';
import { isAlive } from '../../src/sys/process-identity.js';
import { copyCatalog } from '../support/catalogs.js';
import { nothingLeftIn } from '../support/left-behind.js';
import { isMounted, pbkfs } from '../support/mount.js';
import { query } from '../support/postgres.js';
import { type RunResult, run } from '../support/run.js';
import { until } from '../support/until.js';
import { type SmallMount, unmounted } from './small-mount.js';

const DEVICE = '/dev/fuse';
const user = serverUser();
const program = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
const session = fileURLToPath(new URL('./user/session.js', import.meta.url));

function missing(): string | false {
  if (!existsSync(DEVICE)) return `${DEVICE} does not exist`;
  if (process.getuid?.() !== 0) return 'becoming another user needs root';
  if (spawnSync('fusermount3', ['--version']).status !== 0) return 'fusermount3 is not installed (Debian: fuse3)';
  if (!canReach(program, user)) return `${user.name} cannot reach ${program}`;
  return false;
}

const skip = missing();
const otherUsers = /^\s*user_allow_other\s*$/m.test(
  existsSync('/etc/fuse.conf') ? readFileSync('/etc/fuse.conf', 'latin1') : '',
);

if (skip === false) {
  const mode = statSync(DEVICE).mode & 0o7777;
  chmodSync(DEVICE, 0o666);
  t.teardown(() => chmodSync(DEVICE, mode));
}

/** Runs Node as the user. Without what tap hands down to programs of Node: it writes where the user may not. */
function nodeAs(as: ServerUser, args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> {
  return run('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], { user: as, env });
}

/** Runs pbkfs as the user. */
function asUser(args: readonly string[], env: Record<string, string> = {}): Promise<RunResult> {
  return nodeAs(user, [program, ...args], env);
}

/** Runs a line of shell as the user, in the mount. */
function shell(mount: SmallMount, line: string): Promise<RunResult> {
  return run('sh', ['-c', `cd ${mount.mountpoint} && ${line}`], { user });
}

/** Directories of the user; with a small catalog that belongs to root. */
function prepare(t: Test): SmallMount {
  const mount = unmounted(t);
  for (const directory of [mount.base, mount.mountpoint]) chownSync(directory, user.uid, user.gid);
  return mount;
}

function first(mount: SmallMount, ...options: string[]): Promise<RunResult> {
  const { catalog, mountpoint, diff } = mount;
  return asUser(['mount', '-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '-d', diff, ...options]);
}

t.test('mounts, serves, unmounts and mounts again', { skip }, async (t) => {
  const mount = prepare(t);
  t.match(await first(mount), { status: 0, stdout: /^mounted backup/ });
  t.match(await shell(mount, 'stat -c %U PG_VERSION && cat PG_VERSION'), { stdout: `${user.name}\n15\n` });
  t.match(await shell(mount, 'echo kept > base/1/new && mv base/1/raw base/1/moved'), { status: 0 });
  const busy = run('sh', ['-c', `cd ${mount.mountpoint} && exec sleep 3`], { user });
  await until(() => readdirSync('/proc').some((pid) => cwdOf(pid) === mount.mountpoint));
  t.match(await asUser(['unmount', '-D', mount.mountpoint, '--stop-timeout', '0']), {
    status: 1,
    stderr: /in use.*sleep 3/,
  });
  await busy;
  const owner = mount.process();
  t.match(await asUser(['unmount', '-D', mount.mountpoint]), { status: 0, stdout: /^unmounted .*; its writes are in/ });
  t.notOk(isAlive(owner));
  t.equal(mount.state().state, 'clean');
  t.match(await asUser(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 0 });
  t.match(await shell(mount, 'cat base/1/new; wc -c < base/1/moved'), { stdout: 'kept\n20000\n' });
  t.match(await pbkfs(['unmount', '-D', mount.mountpoint]), { status: 0, stdout: /its writes are in/ }, 'root may too');
  t.equal(mount.state().state, 'clean');
});

t.test('modes rule the caller, and never lock the server out', { skip }, async (t) => {
  const mount = prepare(t);
  t.match(await first(mount), { status: 0 });
  const line =
    'echo one > base/1/new; exec 3>>base/1/new; chmod 000 base/1/new base/1/raw; echo two >&3; sync base; cat base/1/new';
  t.match(await shell(mount, line), { status: 1, stderr: /Permission denied/ });
  t.match(await shell(mount, 'chmod 000 base/2; ls base/2'), { stderr: /Permission denied/ });
  t.match(await asUser(['unmount', '-D', mount.mountpoint]), { status: 0 });
  t.match(await asUser(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 0 });
  const now = await shell(
    mount,
    'stat -c %a base/1/new base/1/raw base/2; chmod 600 base/1/* && cat base/1/new; wc -c < base/1/raw',
  );
  t.match(now, { stdout: '0\n0\n0\none\ntwo\n20000\n' });
  t.match(await asUser(['unmount', '-D', mount.mountpoint]), { status: 0 });
});

t.test('a killed mount is taken away by the next one, and by unmount (trap 30)', { skip }, async (t) => {
  const mount = prepare(t);
  t.match(await first(mount), { status: 0 });
  t.match(await shell(mount, 'echo kept > base/1/new'), { status: 0 });
  await mount.kill9();
  t.match(await shell(mount, 'cat PG_VERSION'), { stderr: /not connected|connection abort/ });
  t.match(await asUser(['mount', '-D', mount.mountpoint, '-d', mount.diff]), { status: 0 });
  t.match(await shell(mount, 'cat base/1/new'), { stdout: 'kept\n' });
  await mount.kill9();
  t.match(await asUser(['unmount', '-D', mount.mountpoint]), { status: 0, stdout: /^took away the dead mount/ });
  t.notOk(isMounted(mount.mountpoint));
});

t.test('sync does not take a diff for removed where this user may not look', { skip }, async (t) => {
  const mount = prepare(t);
  const closed = join(mount.base, 'closed');
  mkdirSync(closed);
  chownSync(closed, user.uid, user.gid);
  t.match(await first({ ...mount, diff: join(closed, 'diff') } as SmallMount), { status: 0 });
  chmodSync(closed, 0);
  t.match(await asUser(['sync', mount.mountpoint]), { status: 0, stdout: /is durable/, stderr: '' });
  chmodSync(closed, 0o700);
  t.match(await asUser(['unmount', '-D', mount.mountpoint]), { status: 0 });
});

t.test('the other commands work for the same user', { skip }, async (t) => {
  const mount = prepare(t);
  const { mountpoint, diff, base } = mount;
  t.match(await first(mount), { status: 0 });
  t.match(await shell(mount, 'echo kept > base/1/new'), { status: 0 });
  t.match(await asUser(['list']), { status: 0, stdout: new RegExp(`${mountpoint} .* serving .*${diff}`) });
  t.match(await asUser(['info', mountpoint, '--file', 'base/1/100', '--block', '1']), {
    status: 0,
    stdout: /from backup/,
  });
  t.match(await asUser(['stat', mountpoint, '--counters-reset']), { status: 0, stdout: /Requests from the kernel/ });
  t.match(await pbkfs(['stat', mountpoint]), { status: 0, stdout: /Requests/ }, 'root, whom the kernel keeps out');
  t.match(await pbkfs(['sync', mountpoint]), { status: 1, stderr: /hint: .* root unless another user mounted it/ });
  t.match(await asUser(['sync', mountpoint]), { status: 0, stdout: /is durable/ });
  t.match(await asUser(['export', mountpoint, '-o', join(base, 'copy')]), { status: 0 });
  t.equal(readFileSync(join(base, 'copy/base/1/new'), 'utf8'), 'kept\n');
  t.match(await asUser(['unmount', '-d', diff]), { status: 0, stdout: /^unmounted/ });
  t.match(await asUser(['export', diff, '-o', join(base, 'second')]), { status: 0 });
  t.match(await asUser(['cleanup', '-d', diff, '--force']), { status: 0, stdout: /^wiped/ });
  t.notOk(existsSync(diff));
});

t.test('what is not permitted is said clearly', { skip }, async (t) => {
  const mount = prepare(t);
  const { mountpoint, base } = mount;
  t.match(await first(mount, '-d', '/root/diff'), { status: 1, stderr: /no permission for the diff \/root\/diff / });
  chownSync(mountpoint, 0, 0);
  t.match(await first(mount), { status: 1, stderr: /hint: without root the mount point must be a directory/ });
  chownSync(mountpoint, user.uid, user.gid);
  chmodSync(mount.catalog, 0o700);
  t.match(await first(mount), { status: 1, stderr: /no permission for .*catalog\/backups/ });
  chmodSync(mount.catalog, 0o755);
  const nowhere = { PATH: '/nonexistent' };
  const options = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '-d', mount.diff];
  t.match(await asUser(['mount', ...options], nowhere), {
    status: 1,
    stderr: /fusermount3: it is not installed\nhint: /,
  });
  chmodSync(DEVICE, 0o600);
  const closed = await first(mount);
  chmodSync(DEVICE, 0o666);
  t.match(closed, { status: 1, stderr: /\/dev\/fuse: Permission denied\nhint: root has to let users/ });
  t.strictSame(readdirSync(base).sort(), ['catalog', 'faults', 'mount'], 'nothing is left behind');
  await t.test('--allow-other', { skip: otherUsers && 'user_allow_other is set' }, async (t) => {
    t.match(await first(mount, '--allow-other'), { status: 1, stderr: /hint: put the line user_allow_other/ });
  });
  t.match(await first(mount), { status: 0 });
  const other = { uid: user.uid === 65534 ? 1 : 65534, gid: 65534, name: 'another' };
  t.match(await nodeAs(other, [program, 'unmount', '-D', mountpoint]), {
    status: 1,
    stderr: /hint: only root or whoever mounted it/,
  });
  t.match(await asUser(['unmount', '-D', mountpoint]), { status: 0 });
});

const noConf = existsSync('/etc/fuse.conf') ? false : '/etc/fuse.conf does not exist (Debian: fuse3)';
t.test('others may use it where /etc/fuse.conf permits that', { skip: skip || noConf }, async (t) => {
  const mount = prepare(t);
  const { mountpoint, base, catalog, diff } = mount;
  const conf = join(base, 'fuse.conf');
  writeFileSync(conf, 'user_allow_other\n');
  // In a mount namespace of its own: the file of this machine stays what it is.
  const script = `unset NODE_OPTIONS; mount --bind "$1" /etc/fuse.conf; shift
    own() { setpriv --reuid=${user.uid} --regid=${user.gid} --clear-groups "$@"; }
    other() { setpriv --reuid=54321 --regid=54321 --clear-groups "$@"; }
    for option in --allow-other ''; do
      own "$@" mount -B ${catalog} -I main -i latest -D ${mountpoint} -d ${diff} $option
      own chmod 755 ${mountpoint}; own chmod 644 ${mountpoint}/PG_VERSION
      other cat ${mountpoint}/PG_VERSION || status=1
      other cat ${mountpoint}/global/pg_control 2>&1 && status=1
      own "$@" unmount -D ${mountpoint}
    done; exit \${status:-0}`;
  const result = await run('unshare', [
    ...['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'],
    ...[conf, process.execPath, program],
  ]);
  t.equal(result.status, 0, result.stderr);
  const served = /mounted backup.*\n15\ncat: .*pg_control: Permission denied\nunmounted .*\n/;
  t.match(result.stdout, new RegExp(`^${served.source}${served.source}$`), 'modes count for others');
});

t.test('PostgreSQL runs on it as the same user', { skip }, async (t) => {
  const mount = prepare(t);
  const own = join(mount.base, 'own');
  mkdirSync(own);
  const catalog = await copyCatalog('mini', own);
  t.match(await run('chown', ['-R', `${user.uid}:${user.gid}`, own]), { status: 0 });
  const { mountpoint, diff } = mount;
  const options = ['-B', catalog, '-I', 'a', '-i', 'TOU5PO', '-D', mountpoint, '-d', diff];
  t.match(await asUser(['mount', ...options]), { status: 0 });
  t.match(await nodeAs(user, [session, mountpoint]), { status: 0, stdout: '1000', stderr: '' });
  t.match(await asUser(['unmount', '-D', mountpoint]), { status: 0 });
  t.match(await asUser(['mount', '-D', mountpoint, '-d', diff]), { status: 0 });
  t.match(await nodeAs(user, [session, mountpoint]), { status: 0, stdout: '2000', stderr: '' });
  t.match(await asUser(['unmount', '-D', mountpoint]), { status: 0 });
});

t.test('start, rescue and drill work for the same user, and leave nothing', { skip }, async (t) => {
  const { base } = prepare(t);
  const [own, scratch, out] = ['own', 'scratch', 'out'].map((name) => join(base, name)) as [string, string, string];
  for (const directory of [own, scratch, out]) {
    mkdirSync(directory);
    chownSync(directory, user.uid, user.gid);
  }
  const catalog = await copyCatalog('mini', own);
  t.match(await run('chown', ['-R', `${user.uid}:${user.gid}`, own]), { status: 0 });
  const source = ['-B', catalog, '-I', 'a'];
  const env = { TMPDIR: scratch };
  const started = await asUser(['start', ...source, '-i', 'TOU5PO', '--ephemeral', '--json'], env);
  t.equal(started.status, 0, started.stderr);
  const { mountpoint, host, port, pid } = JSON.parse(started.stdout) as Record<string, string> & { port: number };
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  t.match(status, new RegExp(`^Uid:\\s+${user.uid}\\s`, 'm'), 'the server is theirs');
  const server = { connection: { host: host!, port } } as Parameters<typeof query>[0];
  t.equal(await query(server, 'select 1 + 1'), '2');
  t.match(await asUser(['stop', '-D', mountpoint!], env), { status: 0, stdout: /stopped the server, unmounted/ });
  await nothingLeftIn(t, scratch);

  const rows = join(out, 'rows.csv');
  const asked = ['--database', 'postgres', '--query', 'select 2 as two', '-o', rows];
  t.match(await asUser(['rescue', ...source, '-i', 'TOU5P9', ...asked], env), { status: 0, stderr: '' });
  t.equal(readFileSync(rows, 'utf8'), 'two\n2\n');
  t.match(await asUser(['drill', ...source], env), { status: 0, stdout: /^backup TOU5PO \(DELTA\) passed/ });
  await nothingLeftIn(t, scratch);
});

function cwdOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
