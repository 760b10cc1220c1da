// What a mount does when its storage fails: a full diff disk, a catalog that has gone. Callers hear of it; it lives on.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { SPARE_FILE } from '../../src/overlay/diff/index.js';
import { MS_NODEV, mount as mountFs, umount2 } from '../../src/sys/libc.js';
import { mountMissing } from '../support/mount.js';
import type { Teardown } from '../support/postgres.js';
import { smallFiles } from '../support/small-catalog.js';
import { until } from '../support/until.js';
import { smallMount } from './small-mount.js';

/** A disk of 2 MiB for the diff. */
function smallDisk(t: Teardown): (base: string) => string {
  return (base) => {
    const disk = join(base, 'disk');
    mkdirSync(disk);
    mountFs('pbkfs-test', disk, 'tmpfs', MS_NODEV, 'size=2m');
    t.teardown(() => umount2(disk));
    return disk;
  };
}

/** Takes all space that is left. */
function fill(disk: string): string {
  const file = join(disk, 'filler');
  for (const size of [65536, 4096, 1]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  return file;
}

t.test(
  'a full diff disk is ENOSPC for the writer, and the mount lives on (trap 35)',
  { skip: mountMissing },
  async (t) => {
    const mount = await smallMount(t, smallDisk(t));
    const big = mount.path('base/1/big');
    await t.rejects(writeFile(big, Buffer.alloc(4 << 20, 1)), { code: 'ENOSPC' });
    const accepted = await readFile(big);
    t.ok(accepted.length > 0 && accepted.every((byte) => byte === 1), 'what was accepted is there');
    const segment = await open(mount.path('base/1/100'), 'r+');
    await t.rejects(segment.write(Buffer.alloc(16384, 7), 0, 16384, 8192), { code: 'ENOSPC' });
    await segment.close();
    t.strictSame(await readFile(mount.path('base/1/100')), smallFiles.get('base/1/100'), 'the old content stays');
    await rm(big);
    const writes = async (): Promise<boolean> =>
      writeFile(mount.path('base/1/new'), 'again').then(
        () => true,
        () => false,
      );
    for (let tries = 0; !(await writes()) && tries < 300; tries++) await sleep(20);
    t.equal(await readFile(mount.path('base/1/new'), 'utf8'), 'again');
    await mount.unmount();
    t.equal(mount.state().state, 'clean');
  },
);

t.test('an end without space for the last sync is reported, and nothing is lost', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t, smallDisk(t));
  await writeFile(mount.path('base/1/new'), 'accepted');
  // As in a diff of an earlier version, or when somebody else took it at that moment.
  rmSync(join(mount.diff, SPARE_FILE));
  const filler = fill(join(mount.base, 'disk'));
  const { status, stderr } = await mount.tryUnmount();
  t.equal(status, 1);
  t.match(stderr, /is unmounted, but the mount/);
  t.match(stderr, /mount it again to sync them .* Where a sync has failed, some may be lost all the same/);
  t.notOk(mount.mounted);
  rmSync(filler);
  await mount.remount();
  t.equal(readFileSync(mount.path('base/1/new'), 'utf8'), 'accepted');
  await mount.unmount();
  t.equal(mount.state().state, 'clean');
});

t.test(
  'a catalog that has gone is EIO with a line that names the file, and the mount lives on (trap 35)',
  {
    skip: mountMissing,
  },
  async (t) => {
    const mount = await smallMount(t);
    await writeFile(mount.path('base/1/new'), 'in the diff');
    const away = `${mount.catalog}.away`;
    renameSync(mount.catalog, away);
    await t.rejects(readFile(mount.path('base/1/raw')), { code: 'EIO' });
    await t.rejects(readFile(mount.path('base/1/100')), { code: 'EIO' });
    t.match(mount.log(), new RegExp(`ERROR.*${mount.catalog}/backups/main/TOP\\w+/database/base/1/raw`));
    t.match(mount.log(), new RegExp(`ERROR.*${mount.catalog}/backups/main/TOP\\w+/database/base/1/100`));
    t.equal(statSync(mount.path('base/1/raw')).size, 20_000);
    t.equal(await readFile(mount.path('base/1/new'), 'utf8'), 'in the diff');
    renameSync(away, mount.catalog);
    // The chain is looked at every few seconds, and a look from before the return may still report what it saw: wait for
    // both. Not by promises.readFile, which takes a read cut short by an EIO for the end of the file.
    for (const name of ['base/1/raw', 'base/1/100']) {
      let content: Buffer | null = null;
      await until(() => {
        content = wholeFile(mount.path(name));
        return content !== null;
      }, 30_000);
      t.strictSame(content, smallFiles.get(name));
    }
    await mount.unmount();
    await until(() => mount.state().state === 'clean');
  },
);

/** Reads until the end of the file; null when a read fails on the way. */
function wholeFile(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
