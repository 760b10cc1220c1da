// A server whose postmaster was killed while one of its processes hangs: no second server may start beside that one.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { childrenOf, killHard } from '../../src/postgres/processes.js';
import { isAlive } from '../../src/sys/process-identity.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { query, serverDirectory, serverTempDir } from '../support/postgres.js';
import { until } from '../support/until.js';
import { smallStream } from './targets.js';

t.test('its lock file stays as long as that process does', { skip: mountMissing }, async (t) => {
  const { catalog, instance, backup } = await smallStream(t);
  const base = serverTempDir(t);
  const scratch = serverDirectory(join(base, 'tmp'));
  const mountpoint = serverDirectory(join(scratch, 'mount'));
  const env = { TMPDIR: scratch, XDG_STATE_HOME: join(base, 'state') };
  mkdirSync(env.XDG_STATE_HOME, { mode: 0o700 });
  const source = ['-B', catalog, '-I', instance, '-i', backup, '-d', join(base, 'diff')];
  const first = await pbkfs(['start', ...source, '-D', mountpoint, '--json'], env);
  t.equal(first.status, 0, first.stderr);
  const { pid } = JSON.parse(first.stdout) as { pid: number };
  const children = childrenOf(pid);
  const [stuck, ...others] = children;
  t.teardown(() => killHard(stuck!));
  process.kill(stuck!.pid, 'SIGSTOP');
  process.kill(pid, 'SIGKILL');
  await until(() => !others.some(isAlive));
  t.ok(isAlive(stuck!));

  const beside = await pbkfs(['start', '-D', mountpoint], env);
  // The first where somebody has waited for the end of the postmaster.
  t.match(beside, { status: 1, stderr: /shared memory|lock file/ });
  t.ok(existsSync(join(mountpoint, 'postmaster.pid')));
  killHard(stuck!);
  await until(() => !isAlive(stuck!));

  const again = await pbkfs(['start', '-D', mountpoint, '--json'], env);
  t.equal(again.status, 0, again.stderr);
  const connection = JSON.parse(again.stdout) as { host: string; port: number };
  t.equal(await query({ connection }, 'select pg_is_in_recovery()::text'), 'false');
  t.match(await pbkfs(['stop', '-D', mountpoint], env), { status: 0, stdout: /unmounted/ });
  t.notOk(existsSync(connection.host));
  await pbkfs(['unmount', '-D', mountpoint], env);
  t.strictSame(children.filter(isAlive), []);
});
