// pbkfs stop, told to end when the mount has gone and its process has not: nothing temporary is left.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { nothingLeftIn } from '../support/left-behind.js';
import { CLI, isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { serverDirectory, serverTempDir } from '../support/postgres.js';
import { until } from '../support/until.js';
import { smallStream } from './targets.js';

t.test('its mount process is held up meanwhile', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const base = serverTempDir(t);
  const scratch = serverDirectory(join(base, 'tmp'));
  const env = { TMPDIR: scratch, XDG_STATE_HOME: join(base, 'state') };
  const source = ['-B', catalog, '-I', instance, '-i', backup];
  const started = await pbkfs(['start', ...source, '--ephemeral', '--json'], env);
  t.equal(started.status, 0, started.stderr);
  const { mountpoint } = JSON.parse(started.stdout) as { mountpoint: string };
  const lock = readFileSync(join(dirname(mountpoint), 'diff/lock'), 'utf8');
  const { pid } = JSON.parse(lock) as { pid: number };
  const server = Number(readFileSync(join(mountpoint, 'postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(server, 'SIGINT');
  await until(() => !readdirSync(mountpoint).includes('postmaster.pid'), 30_000);

  process.kill(pid, 'SIGSTOP');
  t.teardown(() => {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It has ended.
    }
  });
  const command = ['-u', 'NODE_OPTIONS', process.execPath, CLI, 'stop', '-D', mountpoint];
  const stop = spawn('env', command, { env: { ...process.env, ...env }, stdio: 'ignore' });
  const ended = once(stop, 'exit');
  await until(() => !isMounted(mountpoint), 30_000);
  stop.kill('SIGTERM');
  const early = await Promise.race([ended.then(() => true), new Promise((resolve) => setTimeout(resolve, 1000))]);
  t.equal(early, undefined, 'it goes on');
  process.kill(pid, 'SIGCONT');
  t.strictSame(await ended, [null, 'SIGTERM']);
  await nothingLeftIn(t, scratch);
});
