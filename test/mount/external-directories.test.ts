// External directories of a backup are not mounted, and whoever mounts it is told.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import { startTime } from '../support/catalog-writer.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

t.test('external directories are named once, on stderr and in the log', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const { catalog, mountpoint, diff } = mount;
  const id = backupIdOf(startTime(3));
  appendFileSync(join(catalog, 'backups/main', id, 'backup.control'), "external-dirs = '/srv/ü:/etc/app'\n");
  const warning =
    'external directories of the backup are left out: /srv/ü, /etc/app; "pg_probackup restore" brings them back';
  const source = ['-B', catalog, '-I', 'main', '-i', id];
  const first = await pbkfs(['mount', ...source, '-D', mountpoint, '-d', diff]);
  t.match(first, { status: 0, stderr: `pbkfs: warning: ${warning}\n` });
  await mount.unmount();
  t.match(
    await pbkfs(['mount', '-D', mountpoint, '-d', diff]),
    { status: 0, stderr: '' },
    'not for the same diff again',
  );
  await mount.unmount();
  t.equal(mount.log().split(` WARN ${warning}\n`).length, 2, 'one line of the log');
  const readOnly = await pbkfs(['mount', ...source, '-D', mountpoint, '--read-only']);
  t.match(readOnly, { status: 0, stderr: `pbkfs: warning: ${warning}\n` });
  await mount.unmount();

  await t.test('a mount in the foreground warns by its log alone, which is the terminal', async (t) => {
    const args = ['mount', ...source, '-D', mountpoint, '--read-only', '--console'];
    const child = spawn(process.execPath, [...mount.program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    t.strictSame(await closed, [0, null]);
    t.equal(stderr.split(warning).length, 2, stderr);
    t.match(stderr, new RegExp(` WARN ${warning}\n`));
  });
});
