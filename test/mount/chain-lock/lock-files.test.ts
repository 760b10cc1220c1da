// pg_probackup's lock files as pbkfs writes them: content, stale owners, live owners.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { releaseShared, takeShared } from '../../../src/mount/chain-lock/lock-files.js';

const own = `${process.pid}\n`;

function backup(t: Test, files: Record<string, string> = {}): { path: string; shared(): string; exclusive: string } {
  const path = t.testdir(files);
  const exclusive = join(path, 'backup.pid');
  return { path, exclusive, shared: () => readFileSync(join(path, 'backup_ro.pid'), 'latin1') };
}

/** Pid of a process that lives until the test ends. */
function living(t: Test): number {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  return child.pid!;
}

/** Pid of a process that has ended. */
async function dead(): Promise<number> {
  const child = spawn('true', { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid!;
}

t.test('the shared lock is one line with the pid, and the exclusive one is gone again', async (t) => {
  const { path, shared, exclusive } = backup(t);
  await takeShared(path, 0);
  t.equal(shared(), own);
  t.notOk(existsSync(exclusive));
  await releaseShared(path, 0);
  t.notOk(existsSync(join(path, 'backup_ro.pid')), 'the last one removes it');
  t.notOk(existsSync(join(path, 'backup_ro.pidtmp')));
});

t.test('living holders stay on the list, dead ones and nonsense go', async (t) => {
  const other = living(t);
  const { path, shared } = backup(t, { 'backup_ro.pid': `${await dead()}\n${other}\nnonsense\n-4\n0\n\n` });
  await takeShared(path, 0);
  t.equal(shared(), `${other}\n${own}`);
  await releaseShared(path, 0);
  t.equal(shared(), `${other}\n`);
});

t.test("a live process's exclusive lock refuses, naming it and its program, and is left alone", async (t) => {
  const other = living(t);
  const { path, exclusive } = backup(t, { 'backup.pid': `${other}\n` });
  const began = Date.now();
  await t.rejects(takeShared(path, 200), {
    code: 'chain_busy',
    message: new RegExp(`process ${other} \\(sleep\\)$`),
    hint: new RegExp(`leftover: remove ${exclusive}$`),
  });
  t.ok(Date.now() - began >= 200, 'it was waited for');
  t.equal(readFileSync(exclusive, 'latin1'), `${other}\n`);
  t.notOk(existsSync(join(path, 'backup_ro.pid')));
});

t.test('init, whom an ordinary user may not signal, counts as alive', { skip: notInit() }, async (t) => {
  const { path } = backup(t, { 'backup.pid': '1\n' });
  await t.rejects(takeShared(path, 0), { code: 'chain_busy' });
});

t.test('the exclusive lock is waited for', async (t) => {
  const child = spawn('sleep', ['0.3'], { stdio: 'ignore' });
  const { path, shared } = backup(t, { 'backup.pid': `${child.pid}\n` });
  await takeShared(path, 5000);
  t.equal(shared(), own);
});

t.test('stale exclusive locks are taken away: dead owner, no number, empty for long', async (t) => {
  for (const text of [`${await dead()}\n`, 'garbage', '0\n', '99999999999\n', own]) {
    const { path, shared } = backup(t, { 'backup.pid': text });
    await takeShared(path, 0);
    t.equal(shared(), own, JSON.stringify(text));
  }
  const { path, shared, exclusive } = backup(t, { 'backup.pid': '' });
  await t.rejects(takeShared(path, 50), { code: 'chain_busy' }, 'empty: its owner may be about to write');
  const longAgo = Date.now() / 1000 - 31;
  utimesSync(exclusive, longAgo, longAgo);
  await takeShared(path, 0);
  t.equal(shared(), own);
});

t.test('a directory that is gone is an error of its own', async (t) => {
  await t.rejects(takeShared(join(t.testdir(), 'gone'), 0), { code: 'ENOENT' });
});

t.test('taking it twice leaves one line', async (t) => {
  const { path, shared } = backup(t);
  await takeShared(path, 0);
  await takeShared(path, 0);
  t.equal(shared(), own);
  writeFileSync(join(path, 'backup_ro.pidtmp'), 'left by a crash');
  await takeShared(path, 0);
  t.equal(shared(), own);
});

function notInit(): string | false {
  return process.pid === 1 ? 'this process is init itself' : false;
}
