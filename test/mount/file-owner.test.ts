// Whom the files of the backup belong to when a diff is opened without a mount.

import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ownerInDiff } from '../../src/mount/file-owner.js';
import { selfIdentity } from '../../src/sys/process-identity.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { unmounted } from './small-mount.js';

const [uid, gid] = [4321, 4322];
const owned = (path: string): number[] => [statSync(path).uid, statSync(path).gid];

for (const command of ['export', 'fsck'] as const) {
  t.test(
    `${command} of a killed mount keeps the owner, with the dead mount still there`,
    { skip: mountMissing },
    async (t) => {
      const mount = unmounted(t);
      const { catalog, base, diff, mountpoint } = mount;
      const options = ['--uid', String(uid), '--gid', String(gid)];
      await mount.mount({ catalog, instance: 'main', backup: 'latest' }, options);
      writeFileSync(mount.path('base/1/new'), 'made here');
      await mount.kill9();
      t.throws(() => statSync(mountpoint), { code: /ENOTCONN|ECONNABORTED/ });
      const copy = join(base, 'copy');
      const args = command === 'export' ? ['-o', copy, diff] : ['--repair', '-d', diff];
      t.match(await pbkfs([command, ...args]), { status: 0, stderr: '' });
      if (command === 'export') {
        for (const path of ['', 'base/1', 'base/1/small']) t.strictSame(owned(join(copy, path)), [uid, gid], path);
      }
      await mount.unmountDead();
      await mount.remount();
      t.strictSame(owned(mountpoint), [uid, gid], 'PostgreSQL would not start in a directory of somebody else');
      await mount.unmount();
    },
  );
}

t.test('an older version has not written it down: the mount point tells, or the diff', (t) => {
  const directory = t.testdir({ mountpoint: {}, diff: {} });
  const last = { ...selfIdentity(), mountpoint: join(directory, 'mountpoint'), state: 'mounted' } as const;
  const diff = join(directory, 'diff');
  t.match(ownerInDiff(diff, { ...last, owner: { uid, gid } }), { uid, gid });
  t.match(ownerInDiff(diff, last), { uid: process.getuid?.(), gid: process.getgid?.() });
  t.match(ownerInDiff(diff, { ...last, mountpoint: '/nowhere' }), { uid: statSync(diff).uid });
  t.end();
});
