// A diff on a file system that cannot reserve space (NFSv3, many FUSE servers): everything works, a full disk apart.

import { readFileSync } from 'node:fs';
import { open, rename, truncate } from 'node:fs/promises';
import t from 'tap';
import { diskMissing } from '../support/forgetful-disk.js';
import { oddDisk } from '../support/odd-disk.js';
import { smallFiles } from '../support/small-catalog.js';
import { ended, smallMount } from './small-mount.js';

t.setTimeout(300_000);

t.test('a diff without fallocate can be written', { skip: diskMissing('ext4') }, async (t) => {
  const mount = await smallMount(t, () => oddDisk(t, 'extents'));
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
});
