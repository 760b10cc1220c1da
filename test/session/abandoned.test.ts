// What `pbkfs start` has left when its mount went without `pbkfs stop`.

import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { findPostmaster } from '../../src/session/clean-up.js';
import { cleanUpAbandoned } from '../../src/session/session-record.js';
import { removeUnstopped } from '../../src/session/started.js';
import { identityOf, selfIdentity } from '../../src/sys/process-identity.js';
import { SmallMount, smallMount } from '../mount/small-mount.js';
import { mountMissing } from '../support/mount.js';
import { writeSmallCatalog } from '../support/small-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { until } from '../support/until.js';

const self = selfIdentity();
const dead = { ...self, startTime: self.startTime - 1 };

/** A record of `start`, and its directories. */
function started(t: Test, mount: object, ...remove: readonly string[]) {
  const base = t.testdir();
  const state = join(base, 'state');
  const { XDG_STATE_HOME: before } = process.env;
  process.env.XDG_STATE_HOME = state;
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
  });
  const directories = remove.map((name) => join(base, name));
  for (const directory of [state, join(state, 'pbkfs'), ...directories]) mkdirSync(directory, { mode: 0o700 });
  const file = join(state, 'pbkfs', 'abc.server');
  writeFileSync(file, JSON.stringify({ mounted: true, remove: directories, mount }));
  return { file, state: join(state, 'pbkfs'), directories };
}

/** Of ours only: there may be others on this host. */
const removed = (...of: readonly string[]): string[] => removeUnstopped().filter((path) => of.includes(path));

t.test('the private directory of a server goes when its mount has gone', async (t) => {
  const { file, directories } = started(t, dead, 'pbkfs-pg-a');
  t.strictSame(removed(...directories), directories);
  t.notOk(existsSync(directories[0]!));
  t.notOk(existsSync(file));
});

t.test('what is taken away of it is told', async (t) => {
  const { directories } = started(t, dead, 'pbkfs-pg-a');
  const told = (await cleanUpAbandoned()).find(({ paths }) => paths.includes(directories[0]!));
  t.strictSame(told?.left, []);
});

t.test('a diff stays, and is remembered', async (t) => {
  const { file, directories } = started(t, dead, 'pbkfs-pg-a', 'pbkfs-session-b');
  t.strictSame(removed(...directories), directories.slice(0, 1));
  t.ok(existsSync(directories[1]!));
  t.ok(existsSync(file));
  t.strictSame(removed(...directories), []);
});

for (const [what, mount] of [
  ['whose mount process lives', self],
  ['of another boot or host', { ...dead, bootId: 'another' }],
] as const) {
  t.test(`one ${what} is left alone`, async (t) => {
    const { file, directories } = started(t, mount, 'pbkfs-pg-a');
    t.strictSame(removed(...directories), []);
    t.ok(existsSync(directories[0]!));
    t.ok(existsSync(file));
  });
}

t.test('beside a dead mount it is left for stop', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  const { file, directories } = started(t, mount.process(), 'pbkfs-pg-a');
  await mount.kill9();
  t.ok(mount.mounted, 'the dead endpoint is there');
  t.strictSame(removed(...directories), []);
  t.ok(existsSync(directories[0]!));
  t.ok(existsSync(file));
  await mount.tryUnmount();
  t.notOk(mount.mounted);
  t.strictSame(removed(...directories), directories);
  t.notOk(existsSync(file));
});

t.test('one that a process uses is left alone', async (t) => {
  const { file, directories } = started(t, dead, 'pbkfs-pg-a');
  const configuration = join(directories[0]!, 'postgresql.conf');
  const server = spawn('sh', ['-c', 'echo up; read -r _', 'sh', configuration], { stdio: ['pipe', 'pipe', 'ignore'] });
  await new Promise((resolve) => server.stdout.once('data', resolve));
  t.strictSame(removed(...directories), []);
  t.ok(existsSync(file));
  server.kill();
});

t.test('a record that was being written when its process was killed goes some time later', async (t) => {
  const { state } = started(t, self);
  for (const name of ['1-2.session.tmp', '3-4.session.tmp']) writeFileSync(join(state, name), '{');
  utimesSync(join(state, '1-2.session.tmp'), new Date(), Date.now() / 1000 - 3600);
  await cleanUpAbandoned();
  t.strictSame(readdirSync(state).sort(), ['3-4.session.tmp', 'abc.server']);
});

/** The record of a session with its directories, beside that of a started server which lives. @returns what is taken away */
async function session(t: Test, host: string, processes: readonly object[], server: object = dead) {
  const names = ['pbkfs-session-a', 'pbkfs-pg-b', 'copy.pbkfs-part', 'my diff', 'not-pbkfs-pg-c'];
  const { state, directories } = started(t, self, ...names);
  // Mount and server have gone as well.
  const [mountpoint, dataDir] = ['/nowhere/mount', '/nowhere/mount'];
  const belongings = { mountpoint, mount: dead, dataDir, server, remove: directories };
  writeFileSync(join(state, '1-2.session'), JSON.stringify({ host, processes, belongings }));
  const taken = (await cleanUpAbandoned()).filter(({ paths, left }) =>
    [...paths, ...left].some((path) => directories.includes(path)),
  );
  const there = directories.map((path) => existsSync(path));
  return { directories, taken, there, recorded: existsSync(join(state, '1-2.session')) };
}

t.test('of a session that was killed with its guard, what has a name that we invented goes', async (t) => {
  const { directories, taken, there, recorded } = await session(t, hostname(), [dead, dead]);
  t.strictSame(taken, [{ paths: directories.slice(0, 3), left: directories.slice(3) }]);
  t.strictSame(there, [false, false, false, true, true], 'what somebody named may have been used since');
  t.notOk(recorded);
});

t.test('as long as its server is there, so does what somebody named for it', async (t) => {
  const server = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => server.kill('SIGKILL'));
  const { directories, taken, there } = await session(t, hostname(), [dead, dead], identityOf(server.pid!)!);
  t.strictSame(taken, [{ paths: directories, left: [] }]);
  t.strictSame(there, [false, false, false, false, false]);
});

t.test('so does its mount, dead as it is, below a directory that we invented', { skip: mountMissing }, async (t) => {
  const { state } = started(t, self);
  const base = join(temporaryDirectory('pbkfs-abandoned-'), 'pbkfs-session-a');
  const mount = new SmallMount(base, join(base, 'diff'));
  t.teardown(() => mount.discard());
  for (const directory of [base, mount.mountpoint, mount.faults, mount.catalog]) mkdirSync(directory);
  writeSmallCatalog(mount.catalog);
  await mount.first();
  const { mountpoint, diff } = mount;
  const belongings = { mountpoint, diff, mount: mount.process(), dataDir: mountpoint, remove: [base] };
  await mount.kill9();
  writeFileSync(join(state, '1-2.session'), JSON.stringify({ host: hostname(), processes: [dead], belongings }));
  await cleanUpAbandoned();
  t.notOk(mount.mounted);
  t.notOk(existsSync(base));
});

const PERL = '/usr/bin/perl';

t.test('a server that had just been started ends, too', { skip: !existsSync(PERL) && 'no perl' }, async (t) => {
  const { state, directories } = started(t, self, 'pbkfs-pg-a', 'data', 'pbkfs-pg-b');
  const [own, base, others] = directories as [string, string, string];
  const [program, dataDir] = [join(base, 'postgres'), join(base, 'data')];
  copyFileSync(PERL, program);
  writeFileSync(dataDir, 'sleep 60');
  const start = (configuration: string) => {
    const child = spawn(program, ['-D', dataDir, '-c', `config_file=${configuration}/postgresql.conf`]);
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  start(own);
  const other = start(others);
  await until(() => [own, others].every((directory) => findPostmaster(dataDir, [directory]) !== undefined));
  const belongings = { dataDir, mount: dead, remove: [own] };
  writeFileSync(join(state, '1-2.session'), JSON.stringify({ host: hostname(), processes: [dead], belongings }));
  await cleanUpAbandoned();
  t.notOk(existsSync(own));
  t.equal(findPostmaster(dataDir, [own]), undefined);
  t.equal(findPostmaster(dataDir)?.pid, other.pid, 'that of another session on the same mount is left alone');
});

for (const [what, host, processes] of [
  ['of another host', 'another', [dead]],
  ['whose process lives', hostname(), [self, dead]],
  ['whose guard lives', hostname(), [dead, self]],
] as const) {
  t.test(`a session ${what} is left alone`, async (t) => {
    const { taken, there, recorded } = await session(t, host, processes);
    t.strictSame(taken, []);
    t.ok(recorded && there.every((is) => is));
  });
}
