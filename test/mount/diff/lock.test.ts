import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs, { readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { acquireDiffLock, isDiffLocked } from '../../../src/mount/diff/lock.js';
import { selfIdentity } from '../../../src/sys/process-identity.js';
import { temporaryDirectory } from '../../support/swept.js';

function scratch(t: Test): string {
  const dir = temporaryDirectory('pbkfs-lock-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

t.test('names-its-holder-by-pid-start-time-and-boot (trap 32)', async (t) => {
  const diff = scratch(t);
  t.notOk(isDiffLocked(diff));
  // Something is mounted on it.
  const lock = acquireDiffLock(diff, '/proc');
  t.ok(isDiffLocked(diff));
  t.equal(statSync(join(diff, 'lock')).mode & 0o777, 0o600);
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  t.strictSame(JSON.parse(readFileSync(join(diff, 'lock'), 'utf8')), { ...selfIdentity(), mountpoint: '/proc' });
  t.throws(() => acquireDiffLock(diff, '/mnt/other'), {
    code: 'diff_busy',
    message: `the diff ${diff} is in use by process ${process.pid}, mounted on /proc`,
    hint: /^pbkfs unmount -D \/proc ends it/,
  });
  for (const unreadable of ['', '{"pid":5}', '{"mountpoint":"/proc"}']) {
    writeFileSync(join(diff, 'lock'), unreadable);
    t.throws(() => acquireDiffLock(diff, '/mnt/other'), { code: 'diff_busy', message: /in use by another process$/ });
  }
  t.equal(open(), before, 'who is refused holds nothing');
  lock.release();
  t.notOk(isDiffLocked(diff));
  acquireDiffLock(diff, '/mnt/other').release();
});

t.test('a-lock-file-left-by-a-dead-or-reused-pid-is-no-lock (trap 32)', async (t) => {
  const diff = scratch(t);
  const file = join(diff, 'lock');
  writeFileSync(file, JSON.stringify({ ...selfIdentity(), mountpoint: `/mnt/${'long'.repeat(50)}` }));
  t.notOk(isDiffLocked(diff));
  const lock = acquireDiffLock(diff, '/mnt/pg');
  t.strictSame(JSON.parse(readFileSync(file, 'utf8')), { ...selfIdentity(), mountpoint: '/mnt/pg' }, 'nothing is left');
  lock.release();
  t.equal(readFileSync(file, 'utf8'), '');
});

t.test('a disk that has become read-only, or fails, does not keep the lock', async (t) => {
  const diff = scratch(t);
  const { ftruncateSync } = fs;
  const heal = (): void => {
    Object.assign(fs, { ftruncateSync });
    syncBuiltinESMExports();
  };
  t.teardown(heal);
  const lock = acquireDiffLock(diff, '/proc');
  Object.assign(fs, {
    ftruncateSync: () => {
      throw Object.assign(new Error('EROFS'), { code: 'EROFS' });
    },
  });
  syncBuiltinESMExports();
  lock.release();
  heal();
  t.notOk(isDiffLocked(diff));
  acquireDiffLock(diff, '/proc').release();
});

t.test('kill-9-of-the-holder-frees-it', async (t) => {
  const diff = scratch(t);
  const holder = fork(fileURLToPath(new URL('../fake/lock-holder.js', import.meta.url)), [diff]);
  await once(holder, 'message');
  t.ok(isDiffLocked(diff));
  holder.kill('SIGKILL');
  // At once, without waiting for its end: a short grace is part of taking the lock.
  acquireDiffLock(diff, '/mnt/x').release();
});

t.test('a-holder-whose-mount-is-gone-is-waited-for', async (t) => {
  const diff = scratch(t);
  const holder = fork(fileURLToPath(new URL('../fake/lock-holder.js', import.meta.url)), [diff]);
  await once(holder, 'message');
  const begun = performance.now();
  t.throws(() => acquireDiffLock(diff, '/mnt/x'), {
    code: 'diff_busy',
    message: `the diff ${diff} is in use by process ${holder.pid}, whose mount on /mnt/holder is gone from here`,
    hint: /pbkfs unmount -D \/mnt\/holder waits for it$/,
  });
  t.ok(performance.now() - begun > 5000, 'for longer than for one that serves');
  holder.kill('SIGKILL');
  acquireDiffLock(diff, '/mnt/x').release();
});

t.test('a-lock-file-removed-while-waiting-is-not-taken-for-the-lock', async (t) => {
  const diff = scratch(t);
  const first = acquireDiffLock(diff, '/mnt/a');
  unlinkSync(join(diff, 'lock'));
  const second = acquireDiffLock(diff, '/mnt/b');
  t.ok(isDiffLocked(diff));
  first.release();
  t.ok(isDiffLocked(diff));
  second.release();
});
