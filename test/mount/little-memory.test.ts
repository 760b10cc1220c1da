// Machines with less memory than address space: a kernel that does not overcommit counts whatever a process could write.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CLI, mountCatalog, mountMissing } from '../support/mount.js';
import { privateCatalog } from '../support/private-catalog.js';
import { run } from '../support/run.js';

/** From 24 on Node itself has half a GiB counted for each of its threads. */
const countsMuch = Number(process.versions.node.split('.')[0]) >= 24 ? 'this Node itself asks for more' : false;

t.test('limits of what the mount process may be able to write', { skip: mountMissing || countsMuch }, async (t) => {
  const { catalog } = await privateCatalog(t, 'mini');
  const mount = await mountCatalog(t, { catalog, instance: 'a', backup: 'latest' });
  await mount.unmount();
  const remount = (kib: number) => {
    const where = ['-D', mount.mountpoint, '-d', mount.diff];
    return run('sh', ['-c', `ulimit -d ${kib} && exec "$@"`, 'sh', process.execPath, CLI, 'mount', ...where]);
  };

  await t.test('1 GiB is enough', async (t) => {
    t.match(await remount(1 << 20), { status: 0, stderr: '' });
    const path = join(mount.mountpoint, 'base/1/1259');
    const before = readFileSync(path);
    t.ok(before.length > 0);
    writeFileSync(path, before.subarray(0, 8192), { flag: 'r+' });
    t.ok(readFileSync(path).equals(before));
    await mount.unmount();
  });

  await t.test('too little is one clear error, and nothing is mounted', async (t) => {
    const { status, stderr } = await remount(300_000);
    t.equal(status, 1);
    t.match(stderr, /^pbkfs: no memory for the table of files: 352 MiB .*\nhint: .*vm\.overcommit_memory.*\n$/);
    await mount.remount();
  });
});
