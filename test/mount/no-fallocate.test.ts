// A diff where space cannot be reserved, by the file system (NFSv3, many FUSE servers) or because seccomp refuses the call:
// everything works, a full disk apart.

import { readFileSync } from 'node:fs';
import { open, rename, truncate } from 'node:fs/promises';
import { constants } from 'node:os';
import t, { type Test } from 'tap';
import { diskMissing } from '../support/forgetful-disk.js';
import { mountMissing } from '../support/mount.js';
import { oddDisk } from '../support/odd-disk.js';
import { smallFiles } from '../support/small-catalog.js';
import { ended, type SmallMount, smallMount, unmounted } from './small-mount.js';

t.setTimeout(300_000);

async function checkWrites(t: Test, mount: SmallMount): Promise<void> {
  const names = ['base/1/100', 'base/1/raw', 'pg_wal/000000010000000000000001', 'base/1/new'];
  for (const name of names) {
    const file = await open(mount.path(name), smallFiles.has(name) ? 'r+' : 'w+');
    await file.write(Buffer.alloc(9000, 7), 0, 9000, 0);
    await file.sync();
    await file.close();
  }
  await rename(mount.path('base/1/small'), mount.path('base/1/moved'));
  await truncate(mount.path('base/2/200'), 20_000);
  const owner = mount.process();
  process.kill(owner.pid, 'SIGKILL');
  await ended(owner);
  await mount.remount();
  for (const name of names) {
    const expected = Buffer.from(smallFiles.get(name) ?? Buffer.alloc(9000)).fill(7, 0, 9000);
    t.strictSame(readFileSync(mount.path(name)), expected, name);
  }
  t.strictSame(readFileSync(mount.path('base/1/moved')), smallFiles.get('base/1/small'));
  t.equal(readFileSync(mount.path('base/2/200')).length, 20_000);
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
}

t.test('a diff without fallocate can be written', { skip: diskMissing('ext4') }, async (t) => {
  await checkWrites(t, await smallMount(t, () => oddDisk(t, 'extents')));
});

for (const refusal of ['EPERM', 'ENOSYS'] as const) {
  t.test(`so can one where seccomp says ${refusal}`, { skip: mountMissing }, async (t) => {
    const mount = unmounted(t);
    mount.fault('no-fallocate', String(constants.errno[refusal]));
    await mount.first();
    await checkWrites(t, mount);
  });
}
