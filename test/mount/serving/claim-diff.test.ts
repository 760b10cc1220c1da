// A diff is claimed by one mount at a time, is bound to it from then on, and is as before when the mount does not come up.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import {
  type BackupIdentity,
  BINDING_FILE,
  type Binding,
  readBinding,
  writeBinding,
} from '../../../src/mount/diff/binding.js';
import { findDiffToMount } from '../../../src/mount/diff/diff-directory.js';
import { isDiffLocked } from '../../../src/mount/diff/lock.js';
import { markUnsafe, UNSAFE_MARKER } from '../../../src/mount/diff/unsafe-marker.js';
import type { MountRequest } from '../../../src/mount/request.js';
import { type ClaimedDiff, claimDiff } from '../../../src/mount/serving/claim-diff.js';
import type { RecoveryConfig } from '../../../src/postgres/recovery-config.js';
import { selfIdentity } from '../../../src/sys/process-identity.js';
import { temporaryDirectory } from '../../support/swept.js';

const BACKUP: BackupIdentity = { instance: 'main', backupId: 'TOU5PO', startTime: 1795236972, systemIdentifier: '7' };
const RECOVERY: RecoveryConfig = { target: { kind: 'latest' }, timeline: 'current', action: 'promote' };
/** Something is mounted there, so that nobody waits for the end of a mount that looks gone. */
const MOUNTPOINT = '/proc';
const OWNER = { uid: 26, gid: 27 };

interface Place {
  readonly base: string;
  readonly diff: string;
  claim(changes?: Partial<MountRequest>, backup?: BackupIdentity): ClaimedDiff;
  /** What an earlier mount has left. */
  bind(changes?: Partial<Binding>, state?: Binding['lastMount']['state']): Binding;
  binding(): Binding;
  /** All names with their content, and whether anybody holds the lock. */
  state(): unknown;
}

function place(t: Test): Place {
  const base = temporaryDirectory('pbkfs-claim-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const diff = join(base, 'diff');
  return {
    base,
    diff,
    claim: ({ walDir, ...changes } = {}, backup = BACKUP) => {
      const request = { mountpoint: MOUNTPOINT, diff, force: false, afterPowerLoss: false, materializeOnRead: false };
      const paths = { mountpoint: MOUNTPOINT, catalog: '/backups', diff, owner: OWNER };
      const chosen = walDir === undefined ? paths : { ...paths, walDir };
      return claimDiff(chosen, backup, findDiffToMount(diff), { ...request, ...OWNER, ...changes });
    },
    bind: (changes = {}, state = 'clean') => {
      if (!existsSync(diff)) mkdirSync(diff, { mode: 0o700 });
      writeFileSync(join(diff, 'journal'), 'journal');
      const lastMount = { pid: 7, startTime: 8, bootId: 'b', mountpoint: '/mnt/pg', state };
      const binding: Binding = { catalog: '/old', backup: BACKUP, lastMount, ...changes };
      writeBinding(diff, binding);
      return binding;
    },
    binding: () => readBinding(diff)!,
    state: () => {
      if (!existsSync(diff)) return 'absent';
      const names = readdirSync(diff).filter((name) => name !== 'lock');
      const content = (name: string): unknown =>
        name === BINDING_FILE ? readBinding(diff) : readFileSync(join(diff, name), 'latin1');
      return [names.sort().map((name) => [name, content(name)]), isDiffLocked(diff)];
    },
  };
}

t.test('a new diff is locked and bound, and gone again when the mount does not come up', async (t) => {
  for (const made of [false, true]) {
    const { diff, claim, binding, state } = place(t);
    if (made) mkdirSync(diff);
    const claimed = claim();
    t.ok(claimed.fresh);
    t.ok(isDiffLocked(diff));
    t.strictSame(binding(), {
      catalog: '/backups',
      backup: BACKUP,
      lastMount: { ...selfIdentity(), mountpoint: MOUNTPOINT, state: 'mounted', owner: OWNER },
    });
    claimed.rollback();
    t.strictSame(state(), made ? [[], false] : 'absent');
  }
});

t.test('of a first mount that does not come up only goes what it has made', async (t) => {
  const { diff, claim, state } = place(t);
  mkdirSync(diff);
  writeFileSync(join(diff, 'pbkfs.log'), 'of an earlier one');
  const claimed = claim();
  writeFileSync(join(diff, 'mine'), 'put there meanwhile');
  claimed.rollback();
  const left = [
    ['mine', 'put there meanwhile'],
    ['pbkfs.log', 'of an earlier one'],
  ];
  t.strictSame(state(), [left, false]);
});

t.test('two mounts never share a diff', async (t) => {
  const { claim, state } = place(t);
  const first = claim();
  const before = state();
  t.throws(() => claim(), { code: 'diff_busy' });
  t.throws(() => claim({ force: true }), { code: 'diff_busy' });
  t.strictSame(state(), before, 'it stays that of the first');
  first.rollback();
  t.equal(state(), 'absent');
});

t.test('a diff of an earlier mount is as before when the mount does not come up', async (t) => {
  for (const state of ['clean', 'mounted', 'failed'] as const) {
    const of = place(t);
    of.bind({ unwritten: RECOVERY }, state);
    writeFileSync(join(of.diff, 'passthrough'), '{}');
    const before = of.state();
    const claimed = of.claim();
    t.notOk(claimed.fresh);
    t.strictSame(claimed.unwritten, RECOVERY);
    t.notOk(existsSync(join(of.diff, 'passthrough')), 'nobody writes to it behind our back any more');
    t.match(of.binding(), { catalog: '/backups', lastMount: { state: 'mounted' }, unwritten: RECOVERY });
    claimed.rollback();
    writeFileSync(join(of.diff, 'passthrough'), '{}');
    t.strictSame(of.state(), before);
  }
});

t.test('what has become of the diff since the first look counts', async (t) => {
  const request = { mountpoint: MOUNTPOINT, force: false, afterPowerLoss: false, materializeOnRead: false };
  const cases: [string, (of: Place) => void, Partial<MountRequest>][] = [
    ['diff_foreign', ({ bind }) => void bind({ backup: { ...BACKUP, backupId: 'TOU5P9' } }), { force: true }],
    ['diff_not_resumable', ({ bind }) => void bind({ noWal: true }), { force: true }],
    ['usage', ({ bind }) => void bind(), { noWal: true, force: true }],
    ['diff_unsafe', ({ bind, diff }) => void [bind(), markUnsafe(diff)], {}],
    ['diff_damaged', ({ bind, diff }) => void [bind(), rmSync(join(diff, 'journal'))], { force: true }],
  ];
  for (const [code, change, options] of cases) {
    const of = place(t);
    const { diff } = of;
    mkdirSync(diff);
    const first = findDiffToMount(diff);
    change(of);
    const before = of.state();
    const paths = { mountpoint: MOUNTPOINT, catalog: '/backups', diff, owner: OWNER };
    t.throws(() => claimDiff(paths, BACKUP, first, { ...request, diff, ...options }), { code }, code);
    t.strictSame(of.state(), before, `${code}: as it was, and free`);
  }
});

t.test('the mark of --perf-unsafe goes with a clean end, and with a mount that does not come up', async (t) => {
  const marked = ({ diff }: Place): boolean => existsSync(join(diff, UNSAFE_MARKER));
  const first = place(t);
  first.bind();
  const safe = first.claim();
  t.notOk(marked(first));
  safe.rollback();
  const refused = first.claim({ perfUnsafe: true });
  t.ok(marked(first));
  refused.rollback();
  t.notOk(marked(first), 'nothing was written without a sync');
  const claimed = first.claim({ perfUnsafe: true });
  claimed.mark('failed', 'EIO');
  t.ok(marked(first));
  claimed.mark('clean');
  t.notOk(marked(first));
  claimed.rollback();

  const forced = place(t);
  forced.bind({}, 'mounted');
  markUnsafe(forced.diff);
  const again = forced.claim({ force: true });
  again.rollback();
  t.ok(marked(forced), 'an earlier mount has written without a sync');
});

t.test('how the mount stands is in the binding, and room is kept for the next one', async (t) => {
  const { diff, bind, claim, binding } = place(t);
  bind();
  const spare = (): boolean => existsSync(join(diff, 'spare'));
  const claimed = claim();
  t.notOk(spare());
  claimed.mark('failed', 'ENOSPC');
  t.match(binding().lastMount, { state: 'failed', error: 'ENOSPC', ...selfIdentity() });
  t.ok(spare());
  rmSync(join(diff, 'spare'));
  claimed.mark('clean');
  t.strictSame([binding().lastMount.state, binding().lastMount.error], ['clean', undefined]);
  t.ok(spare());
  rmSync(join(diff, 'spare'));
  claimed.keepSpare();
  t.ok(spare());
  mkdirSync(join(diff, 'binding.json.tmp'));
  t.throws(() => claimed.mark('clean'), { code: 'EISDIR' });
  claimed.rollback();
  t.notOk(isDiffLocked(diff), 'what cannot be undone does not keep the lock, nor hide why the mount failed');
  rmSync(join(diff, 'binding.json.tmp'), { recursive: true });

  const without = place(t);
  without.claim({ noWal: true }).mark('mounted');
  t.equal(without.binding().noWal, true);
});

t.test('recovery settings are remembered until they are written', async (t) => {
  const { diff, claim, binding } = place(t);
  const claimed = claim();
  const inode = (): number => statSync(join(diff, 'binding.json')).ino;
  const before = inode();
  claimed.madeReady();
  t.equal(inode(), before, 'there was nothing to make ready');
  claimed.willWrite(RECOVERY);
  t.strictSame(binding().unwritten, RECOVERY);
  claimed.mark('failed', 'killed in between');
  t.strictSame(binding().unwritten, RECOVERY);
  claimed.madeReady();
  t.match(binding().lastMount.state, 'mounted');
  t.notOk('unwritten' in binding());
  claimed.rollback();
});

t.test('a directory for WAL is claimed with the diff, and given back with it', async (t) => {
  const { base, claim, binding, state } = place(t);
  const walDir = join(base, 'wal');
  t.throws(() => claim({ walDir, backend: 'fuse-native' }), { code: 'usage', message: /--wal-dir needs/ });
  t.equal(state(), 'absent');
  t.notOk(existsSync(walDir));
  const made = place(t);
  mkdirSync(made.diff);
  t.throws(() => made.claim({ walDir, backend: 'fuse-native' }), { code: 'usage' });
  t.strictSame(made.state(), [[], false], 'a directory that was there stays');
  const claimed = claim({ walDir });
  t.match(claimed.wal, { path: walDir, ready: false });
  t.strictSame(binding().walDirectory, claimed.wal);
  t.ok(existsSync(join(walDir, 'pbkfs-wal.json')));
  const other = place(t);
  t.throws(() => other.claim({ walDir }), { code: 'wal_directory', message: /another diff/ });
  t.equal(other.state(), 'absent', 'the other diff is not made');
  claimed.madeReady();
  t.match(binding().walDirectory, { path: walDir, id: claimed.wal!.id, ready: true });
  claimed.rollback();
  t.equal(state(), 'absent');
  t.notOk(existsSync(walDir));
});

t.test('WAL of an earlier mount stays, also where the binding does not say yet that it has moved', async (t) => {
  const { base, bind, claim, state } = place(t);
  const wal = { path: join(base, 'wal'), id: 'an id', ready: false };
  const moved = join(wal.path, 'pg_wal/000000010000000000000001');
  bind({ walDirectory: wal });
  claim().rollback();
  t.notOk(existsSync(wal.path), 'nothing was there');
  mkdirSync(dirname(moved), { recursive: true });
  writeFileSync(moved, 'acknowledged');
  const marker = { format: 'pbkfs wal directory', id: wal.id, diff: base };
  writeFileSync(join(wal.path, 'pbkfs-wal.json'), JSON.stringify(marker));
  for (const ready of [false, true]) {
    bind({ walDirectory: { ...wal, ready } });
    const before = state();
    // Any backend will do once the WAL has moved.
    claim(ready ? { backend: 'fuse-native' } : {}).rollback();
    t.strictSame(state(), before);
    t.equal(readFileSync(moved, 'utf8'), 'acknowledged');
  }
});

t.test('a directory for WAL that somebody else has locked leaves the diff as it was', async (t) => {
  const wal = { path: join(place(t).base, 'wal'), id: 'of both', ready: false };
  const one = place(t);
  one.bind({ walDirectory: wal });
  const first = one.claim();
  const two = place(t);
  two.bind({ walDirectory: wal });
  const before = two.state();
  t.throws(() => two.claim(), { code: 'diff_busy', message: /the WAL directory/ });
  t.strictSame(two.state(), before);
  first.rollback();
});
