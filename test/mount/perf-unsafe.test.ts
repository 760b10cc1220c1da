// `pbkfs mount --perf-unsafe`: fsync is quick and empty, the diff is marked until everything was synced.

import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { mountMissing, pbkfs } from '../support/mount.js';
import { ended, unmounted } from './small-mount.js';

t.setTimeout(280_000);

t.test(
  'fsync syncs nothing, the unmount everything; after a kill the diff needs --force',
  { skip: mountMissing },
  async (t) => {
    const mount = unmounted(t);
    const first = ['-B', mount.catalog, '-I', 'main', '-i', 'latest'];
    const where = ['-D', mount.mountpoint, '-d', mount.diff];
    const marker = join(mount.diff, '.pbkfs-dirty');
    const write = async (name: string): Promise<void> => {
      const file = await open(mount.path(name), 'w');
      await file.write('kept');
      await file.sync();
      await file.close();
    };
    const env = {
      NODE_OPTIONS: `--require=${join(import.meta.dirname, '../support/faults.cjs')}`,
      PBKFS_TEST_FAULTS: mount.faults,
    };
    t.match(await pbkfs(['mount', ...first, ...where, '--perf-unsafe'], env), { status: 0, stderr: '' });
    t.ok(existsSync(marker));
    // Every fdatasync of the journal takes two seconds: an fsync that synced anything would be slow.
    mount.fault('slow-sync', join(mount.diff, 'journal'));
    const begun = Date.now();
    for (let n = 0; n < 60; n++) await write(`base/1/new${n}`);
    t.ok(Date.now() - begun < 100_000, 'sixty syncs did not wait two seconds each');
    mount.heal('slow-sync');
    await mount.unmount();
    t.notOk(existsSync(marker), 'a clean unmount takes the mark away');
    t.equal(mount.state().state, 'clean');

    t.match(await pbkfs(['mount', ...where, '--perf-unsafe']), { status: 0 }, 'and the next mount is free');
    t.equal(readFileSync(mount.path('base/1/new7'), 'utf8'), 'kept');
    await write('base/1/later');
    const owner = mount.process();
    process.kill(owner.pid, 'SIGKILL');
    await ended(owner, 60_000);
    await mount.unmountDead();
    t.ok(existsSync(marker));
    t.match(await pbkfs(['mount', ...where]), {
      status: 1,
      stderr: /was mounted with --perf-unsafe and not unmounted cleanly\nhint: .*--force/,
    });
    t.match(await pbkfs(['mount', ...where, '--force']), { status: 0 });
    t.equal(readFileSync(mount.path('base/1/later'), 'utf8'), 'kept', 'nothing is lost while the host keeps its power');
    await mount.unmount();
    t.notOk(existsSync(marker));
    t.match(await pbkfs(['mount', ...where]), { status: 0 });
  },
);
