// `pbkfs mount --timeout`: a mount that hangs is given up, and leaves nothing behind.

import { join } from 'node:path';
import t from 'tap';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

t.test('a mount that is not ready in time is ended, and works later', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  // A catalog that hangs, as a dead network server makes it.
  mount.fault('hung-open', join(mount.catalog, 'backups/main/pg_probackup.conf'));
  const args = ['mount', '-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  t.match(await pbkfs([...args, '--wait', '--timeout', '1'], mount.env), {
    status: 1,
    stdout: '',
    stderr: /^pbkfs: the mount was not ready within 1 s; nothing is mounted\nhint: /,
  });
  t.notOk(isMounted(mount.mountpoint));
  mount.heal('hung-open');
  t.match(await pbkfs([...args, '--wait', '--timeout', '60']), { status: 0, stderr: '' });
  t.ok(isMounted(mount.mountpoint));
});
