// `pbkfs mount --timeout`: a mount that hangs is given up, and leaves nothing behind.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

t.setTimeout(600_000);

t.test('a mount that is not ready in time is ended, and works later', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  // A catalog that hangs, as a dead network server makes it.
  const hang = join(mount.base, 'hang.cjs');
  writeFileSync(
    hang,
    `const fs = require('node:fs');
    const { openSync } = fs;
    fs.openSync = (path, ...more) => {
      if (String(path).endsWith('/pg_probackup.conf') && process.argv[1].endsWith('/mount/process.js'))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return openSync(path, ...more);
    };`,
  );
  const args = ['mount', '-B', mount.catalog, '-I', 'main', '-i', 'latest', '-D', mount.mountpoint, '-d', mount.diff];
  t.match(await pbkfs([...args, '--wait', '--timeout', '1'], { NODE_OPTIONS: `--require=${hang}` }), {
    status: 1,
    stdout: '',
    stderr: /^pbkfs: the mount was not ready within 1 s; nothing is mounted\nhint: /,
  });
  t.notOk(isMounted(mount.mountpoint));
  t.match(await pbkfs([...args, '--wait', '--timeout', '60']), { status: 0, stderr: '' });
  t.ok(isMounted(mount.mountpoint));
});
