// Wiping a diff: what may hold somebody's writes needs --force, and what is not of pbkfs, or in use, stays even then.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type Binding, writeBinding } from '../../../src/mount/diff/binding.js';
import { cleanup } from '../../../src/mount/diff/cleanup.js';
import { acquireDiffLock, acquireLock } from '../../../src/mount/diff/lock.js';
import { DirectOverlay } from '../../support/direct-overlay.js';
import { matchWhole } from '../../support/match-whole.js';
import { temporaryDirectory } from '../../support/swept.js';
import { workedCatalog, workedPage } from '../../support/worked-diff.js';

const binding: Binding = {
  catalog: '/backups',
  backup: { instance: 'main', backupId: 'TOU5PO', startTime: 1795236972, systemIdentifier: '7' },
  lastMount: { pid: 7, startTime: 8, bootId: 'b', mountpoint: '/mnt/pg', state: 'clean' },
};

/** A diff with nothing written to it, in a directory of its own. */
function place(t: Test, changes: Partial<Binding> = {}): { base: string; diff: string } {
  const base = temporaryDirectory('pbkfs-cleanup-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const diff = join(base, 'diff');
  mkdirSync(join(diff, 'objects'), { recursive: true });
  for (const name of ['lock', 'pbkfs.log', 'passthrough', 'lost-writes']) writeFileSync(join(diff, name), '');
  writeBinding(diff, { ...binding, ...changes });
  return { base, diff };
}

/** That it is refused and nothing has changed. */
function refused(
  t: Test,
  diff: string,
  force: boolean,
  wanted: { code: string; message?: RegExp; hint?: RegExp | string },
): void {
  const before = existsSync(diff) ? readdirSync(diff) : undefined;
  t.throws(() => cleanup(diff, force), wanted);
  t.strictSame(existsSync(diff) ? readdirSync(diff) : undefined, before);
}

t.test('a diff that nothing was written to goes, with its directory', async (t) => {
  const { diff } = place(t);
  matchWhole(t, cleanup(diff, false), { diff, binding, objects: 0, wal: undefined, left: [] });
  t.notOk(existsSync(diff));
});

t.test('what may hold writes needs --force', async (t) => {
  for (const [name, objects] of [
    ['objects/0000000000000001', 1],
    ['journal', 0],
  ] as const) {
    const { diff } = place(t);
    writeFileSync(join(diff, name), 'not to be understood');
    writeFileSync(join(diff, 'objects/0000000000000002.map'), '');
    const message = new RegExp(`it holds what was written to backup TOU5PO \\(${objects} files?\\)`);
    refused(t, diff, false, { code: 'diff_not_empty', message, hint: /--force/ });
    matchWhole(t, cleanup(diff, true), { objects, left: [] }, name);
    t.notOk(existsSync(diff));
  }
});

t.test('so does a diff that makes no name and takes none away', async (t) => {
  for (const change of [
    (direct: DirectOverlay) => direct.write('base/1/100', 0, workedPage),
    (direct: DirectOverlay) => direct.chmod('base/1/100', 0o640),
  ]) {
    const { diff } = place(t);
    const direct = new DirectOverlay({ catalog: workedCatalog, diff });
    change(direct);
    direct.close();
    refused(t, diff, false, { code: 'diff_not_empty' });
  }
  const { diff } = place(t);
  new DirectOverlay({ catalog: workedCatalog, diff }).close();
  cleanup(diff, false);
  t.notOk(existsSync(diff), 'one that was only mounted holds nothing');
});

t.test('one that is in use stays, and so does what is no diff', async (t) => {
  const { base, diff } = place(t);
  const lock = acquireDiffLock(diff, '/proc');
  refused(t, diff, true, { code: 'diff_busy' });
  lock.release();
  mkdirSync(join(base, 'empty'));
  mkdirSync(join(base, 'foreign'));
  writeFileSync(join(base, 'foreign/mine'), '');
  for (const name of ['empty', 'absent', 'foreign'])
    refused(t, join(base, name), true, { code: 'diff_foreign', hint: 'nothing was removed' });
  writeFileSync(join(diff, 'binding.json'), '{"format":"pbkfs diff","formatVersion":2}');
  refused(t, diff, true, { code: 'diff_foreign', hint: 'nothing was removed' });
});

t.test('names of others stay, and the directory with them', async (t) => {
  const { diff } = place(t);
  writeFileSync(join(diff, 'mine'), '');
  matchWhole(t, cleanup(diff, false), { left: ['mine'] });
  t.strictSame(readdirSync(diff), ['mine']);
});

t.test('a damaged binding: only beside what pbkfs makes, and only with --force', async (t) => {
  const { diff } = place(t);
  truncateSync(join(diff, 'binding.json'), 20);
  writeFileSync(join(diff, 'objects/0000000000000001'), '');
  refused(t, diff, false, { code: 'diff_damaged', hint: '--force wipes the diff all the same' });
  for (const name of ['lock', 'objects']) {
    const other = place(t);
    truncateSync(join(other.diff, 'binding.json'), 20);
    rmSync(join(other.diff, name), { recursive: true });
    refused(t, other.diff, true, { code: 'diff_foreign', message: /is not a pbkfs diff/ });
  }
  t.match(cleanup(diff, true), { binding: undefined, objects: 1 });
  t.notOk(existsSync(diff));
});

t.test('WAL that lies elsewhere goes along, unless it is that of another diff, or in use', async (t) => {
  for (const [id, ready] of [
    ['ours', true],
    ['ours', false],
    ['of another', true],
  ] as const) {
    const base = temporaryDirectory('pbkfs-cleanup-wal-');
    t.teardown(() => rmSync(base, { recursive: true, force: true }));
    const path = join(base, 'wal');
    const { diff } = place(t, { walDirectory: { path, id: 'ours', ready } });
    mkdirSync(join(path, 'pg_wal'), { recursive: true });
    writeFileSync(join(path, 'pbkfs-wal.json'), JSON.stringify({ format: 'pbkfs wal directory', id, diff }));
    if (id === 'ours') {
      const lock = acquireLock(join(path, 'pbkfs-wal.lock'), 'the WAL', '/proc');
      refused(t, diff, true, { code: 'diff_busy' });
      lock.release();
    }
    t.strictSame(cleanup(diff, false).wal, { directory: path, wiped: id === 'ours' });
    t.notOk(existsSync(diff));
    t.equal(existsSync(join(path, 'pg_wal')), id !== 'ours', id);
  }
  const { base, diff } = place(t);
  const path = join(base, 'wal');
  for (const made of [false, true]) {
    if (made) mkdirSync(path);
    const marker = { format: 'pbkfs wal directory', id: 'ours', diff };
    if (made) writeFileSync(join(path, 'pbkfs-wal.json'), JSON.stringify(marker));
    mkdirSync(join(diff, 'objects'), { recursive: true });
    writeBinding(diff, { ...binding, walDirectory: { path, id: 'ours', ready: true } });
    cleanup(diff, false);
    t.notOk(existsSync(diff), `the WAL is missing${made ? ' in its directory' : ''}`);
  }
});

t.test('WAL that a mount has moved while it was waited for goes along', async (t) => {
  const { base, diff } = place(t);
  const path = join(base, 'wal');
  mkdirSync(join(path, 'pg_wal'), { recursive: true });
  writeFileSync(join(path, 'pbkfs-wal.json'), JSON.stringify({ format: 'pbkfs wal directory', id: 'ours', diff }));
  const moved = JSON.stringify({ ...binding, walDirectory: { path, id: 'ours', ready: true } });
  const holder = fork(fileURLToPath(new URL('../fake/ending-mount.js', import.meta.url)), [diff, moved]);
  await once(holder, 'message');
  cleanup(diff, false);
  t.notOk(existsSync(diff) || existsSync(path));
});
