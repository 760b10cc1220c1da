// Type=notify: systemd hears that the mount can be used, and that it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MEMORY_SETTINGS } from '../../src/mount/start-process.js';
import { mountMissing } from '../support/mount.js';
import { NotifySocket } from '../support/notify-socket.js';
import { repoRoot } from '../support/paths.js';
import { until } from '../support/until.js';
import { unmounted } from './small-mount.js';

const unit = readFileSync(join(repoRoot, 'contrib/pbkfs@.service'), 'utf8');

t.test('the unit gives its process what a mount in the background has', async (t) => {
  const environment = Object.entries(MEMORY_SETTINGS).map(([name, value]) => `${name}=${value}`);
  t.match(unit, `\nEnvironment=${environment.join(' ')}\n`);
});

t.test('the command of the unit tells READY, and STOPPING after SIGTERM', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const path = join(mount.base, 'notify');
  const socket = new NotifySocket(path);
  t.teardown(() => socket.close());
  t.match(unit, /^Type=notify$/m);
  t.match(unit, /^ExecStart=\/usr\/bin\/env pbkfs mount --console --config /m);
  const options = ['-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  const child = spawn(process.execPath, [...mount.program, 'mount', '--console', ...options], {
    stdio: 'ignore',
    env: { ...process.env, NOTIFY_SOCKET: path },
  });
  const ended = once(child, 'close');
  const heard: string[] = [];
  const has = (what: RegExp) => (): boolean => {
    heard.push(...socket.read());
    return heard.some((message) => what.test(message));
  };
  await until(has(/^READY=1$/m), 60_000);
  t.match(heard[0], `MAINPID=${child.pid}\n`);
  t.ok(mount.mounted, 'ready means mounted');
  child.kill('SIGTERM');
  await until(has(/^STOPPING=1$/m), 60_000);
  t.strictSame(await ended, [0, null]);
});
