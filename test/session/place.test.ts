// Where a session makes its directories: the guard hears of each before it is made, and nothing that was there is thrown away.

import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { writeBinding } from '../../src/mount/diff/binding.js';
import { register } from '../../src/mount/registry.js';
import type { Guarded } from '../../src/session/guarded.js';
import { existingMount, newPlace } from '../../src/session/place.js';
import { openSession } from '../../src/session/session.js';
import type { SessionRequest } from '../../src/session/session-request.js';
import { selfIdentity } from '../../src/sys/process-identity.js';
import { matchWhole } from '../support/match-whole.js';
import { temporaryDirectory } from '../support/swept.js';

const SOURCE = { catalog: '/backups', instance: 'main', backupId: 'TOU5PO' };
const root = process.getuid?.() === 0;
const USER = root
  ? { uid: 1234, gid: 5678, name: 'server' }
  : { uid: process.getuid!(), gid: process.getgid!(), name: 'me' };

/** A guard that writes down what it is told, and how many names there were in `directory` then. */
function noting(directory: string) {
  const told: object[] = [];
  const add = async (more: object): Promise<void> => {
    told.push({ ...more, names: readdirSync(directory).length });
  };
  return { told, guard: { add } as unknown as Guarded };
}

function place(t: Test, request: { [K in keyof SessionRequest]?: SessionRequest[K] | undefined }) {
  const workDir = join(t.testdir({ work: {} }), 'work');
  const { told, guard } = noting(workDir);
  return {
    workDir,
    told,
    made: () =>
      newPlace({ ...SOURCE, ephemeral: false, force: false, workDir, ...request } as SessionRequest, USER, guard),
  };
}

t.test('directories that nobody named are temporary', async (t) => {
  const { workDir, told, made } = place(t, {});
  const { mountpoint, diff, temporary, ...source } = await made();
  const base = join(workDir, readdirSync(workDir)[0]!);
  t.match(base, /\/pbkfs-session-[0-9a-f]{12}$/);
  t.strictSame(
    { mountpoint, diff, temporary, ...source },
    { ...SOURCE, mountpoint: `${base}/mount`, diff: `${base}/diff`, temporary: [base] },
  );
  t.strictSame(told, [
    { remove: [base], names: 0 },
    { mountpoint, diff, names: 1 },
  ]);
  t.equal(statSync(base).mode & 0o777, 0o711, 'the user of the server gets through');
  const stats = statSync(mountpoint);
  t.strictSame([stats.mode & 0o777, stats.uid, stats.gid], [0o700, USER.uid, USER.gid]);
  t.notOk(existsSync(diff), 'that is for the mount to make');
});

t.test('what was named is kept, and no mount point is made', async (t) => {
  const named = { mountpoint: '/nowhere/mount', diff: '/nowhere/diff' };
  const both = place(t, named);
  matchWhole(t, await both.made(), { ...named, temporary: [] });
  t.strictSame(both.told, [{ ...named, names: 0 }]);
  for (const { mountpoint, diff } of [
    { mountpoint: named.mountpoint, diff: undefined },
    { mountpoint: undefined, diff: named.diff },
  ]) {
    const one = place(t, mountpoint === undefined ? { diff: diff! } : { mountpoint });
    const found = await one.made();
    const base = join(one.workDir, readdirSync(one.workDir)[0]!);
    t.match(found, { mountpoint: mountpoint ?? join(base, 'mount'), diff: diff ?? join(base, 'diff') });
    t.strictSame(found.temporary, [base]);
    t.strictSame(readdirSync(base), mountpoint === undefined ? ['mount'] : []);
  }
});

t.test('--ephemeral throws a new diff away, never one that was there', async (t) => {
  const [named, mine] = [join(t.testdirName, 'new'), join(t.testdirName, 'mine')];
  const fresh = place(t, { diff: named, ephemeral: true });
  const { temporary, diff } = await fresh.made();
  t.strictSame([temporary.length, temporary[1], diff], [2, named, named]);
  matchWhole(t, fresh.told, [{ remove: [/pbkfs-session/] }, { remove: [named] }, { diff: named }]);
  const { told, made } = place(t, { diff: mine, mountpoint: '/nowhere/mount', ephemeral: true });
  mkdirSync(mine);
  await t.rejects(made(), { code: 'usage', message: /--ephemeral removes the diff .* is there already$/ });
  t.strictSame(told, [], 'nobody is told to remove it');
});

t.test('what is missing or cannot be is refused', async (t) => {
  for (const option of ['catalog', 'instance', 'backupId'] as const) {
    const { told, made } = place(t, { [option]: undefined });
    await t.rejects(made(), { code: 'usage', message: /^-B CATALOG, -I INSTANCE and -i/ });
    t.strictSame(told, []);
  }
  const { workDir, made } = place(t, {});
  const absent = place(t, { workDir: join(workDir, 'absent') });
  await t.rejects(absent.made(), { code: 'no_place', message: /ENOENT/, hint: /--work-dir/ });
  await made();
});

/** The diff of an earlier mount of the backup. */
function boundDiff(t: Test, catalog = SOURCE.catalog): string {
  const { instance, backupId } = SOURCE;
  const diff = temporaryDirectory('pbkfs-place-');
  t.teardown(() => rmSync(diff, { recursive: true }));
  const lastMount = { pid: 7, startTime: 8, bootId: 'b', mountpoint: '/mnt/pg', state: 'clean' } as const;
  writeBinding(diff, { catalog, backup: { instance, backupId, startTime: 1, systemIdentifier: '' }, lastMount });
  return diff;
}

t.test('of a catalog that a diff remembers, and that is not there, the refusal says what to do', async (t) => {
  const workDir = join(t.testdir({ work: {} }), 'work');
  const { guard } = noting(workDir);
  const progress = { step: () => undefined, detail: () => undefined, warn: () => undefined };
  const moved = join(t.testdirName, 'moved');
  const request = { diff: boundDiff(t, moved), workDir, ephemeral: false, force: false };
  const refused = { code: 'catalog_not_found', message: new RegExp(`^${moved} is not a pg_probackup catalog`) };
  const hint = 'the diff was last mounted from there; if the catalog has moved, give its new place with -B';
  await t.rejects(openSession(request, guard, progress), { ...refused, hint });
  await t.rejects(openSession({ ...request, catalog: moved }, guard, progress), {
    ...refused,
    hint: /^give the directory that pg_probackup init made/,
  });
});

t.test('a diff that was mounted before knows its backup, as far as nobody names it', async (t) => {
  const diff = boundDiff(t);
  const unnamed = { catalog: undefined, instance: undefined, backupId: undefined };
  matchWhole(t, await place(t, { ...unnamed, diff }).made(), { ...SOURCE, diff });
  matchWhole(t, await place(t, { ...unnamed, catalog: '/moved', diff }).made(), { ...SOURCE, catalog: '/moved', diff });
  const fresh = place(t, { ...unnamed, diff: join(t.testdirName, 'new') });
  await t.rejects(fresh.made(), {
    code: 'usage',
    message: /new does not exist yet: -B CATALOG -I INSTANCE -i BACKUP_ID/,
  });
  t.strictSame(fresh.told, []);
});

t.test('a WAL directory must be within reach of the server', { skip: root ? false : 'needs root' }, async (t) => {
  // Tests' own directories are not open to everybody.
  const closed = join('/tmp', `pbkfs-place-${process.pid}`);
  mkdirSync(closed, { mode: 0o700 });
  t.teardown(() => rmSync(closed, { recursive: true, force: true }));
  const refused = { code: 'usage', message: /^the user server cannot reach the WAL directory / };
  for (const walDir of [join(closed, 'wal'), join(closed, 'a/b')])
    await t.rejects(place(t, { walDir }).made(), refused, walDir);
  await place(t, { walDir: closed }).made();
  chmodSync(closed, 0o711);
  await place(t, { walDir: join(closed, 'wal') }).made();
});

t.test('a mount that is there: of this user, writable, and as it is', async (t) => {
  const state = t.testdir();
  const { XDG_STATE_HOME: before } = process.env;
  process.env.XDG_STATE_HOME = state;
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
  });
  const mountpoint = '/nowhere/mine';
  const request = { mountpoint, ephemeral: false, force: false };
  const unknown = {
    code: 'mountpoint_unusable',
    message: /not as a writable mount/,
    hint: /pbkfs info \/nowhere\/mine/,
  };
  t.throws(() => existingMount(request), unknown);
  const entry = { ...selfIdentity(), mountpoint, ...SOURCE };
  register(entry);
  t.throws(() => existingMount(request), unknown, 'read-only');
  register({ ...entry, diff: '/diff' });
  t.strictSame(existingMount(request), { ...SOURCE, mountpoint, diff: '/diff', temporary: [] });
  const recovery = { target: { kind: 'latest' }, timeline: 'current', action: 'pause' } as const;
  for (const [option, settled] of [
    ['--diff', { diff: '/other' }],
    ['--diff-limit', { diffLimit: 1 }],
    ['a recovery target', { recovery }],
    ['--wal-dir', { walDir: '/wal' }],
    ['--prefetch', { prefetch: 'hot' }],
    ['--passthrough', { passthrough: true }],
    ['--low-latency', { lowLatency: true }],
  ] as const) {
    const message = `${mountpoint} is mounted already, and takes no ${option} any more`;
    t.throws(() => existingMount({ ...request, ...settled }), { code: 'usage', message });
  }
});
