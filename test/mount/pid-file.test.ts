// A pid file that finds no room once all else is up: the mount ends, and whoever mounts hears why, at once.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MS_NODEV, mount as mountFs, umount2 } from '../../src/sys/libc.js';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

t.test('a full disk for the pid file is the reason given', { skip: mountMissing }, async (t) => {
  const { base, catalog, mountpoint, diff } = unmounted(t);
  const disk = join(base, 'disk');
  const pidFile = join(disk, 'pid');
  mkdirSync(disk);
  mountFs('pbkfs-test', disk, 'tmpfs', MS_NODEV, 'size=64k');
  t.teardown(() => umount2(disk));
  t.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(1 << 20)), { code: 'ENOSPC' });
  const args = ['mount', '-B', catalog, '-I', 'main', '-i', 'latest', '-D', mountpoint, '-d', diff];
  for (const where of [[], ['--console', '--log-file', join(base, 'log')]]) {
    t.match(await pbkfs([...args, ...where, '--pid-file', pidFile]), {
      status: 1,
      stderr: /^pbkfs: cannot write the pid file: ENOSPC.*\nhint: give another one with --pid-file\n$/,
    });
    t.notOk(isMounted(mountpoint));
    t.notOk(existsSync(pidFile));
  }
  t.match(await pbkfs(args), { status: 0 });
});
