// A chain that was found before it was locked is looked at again: a merge may have ended in between.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf } from '../../../src/backup/index.js';
import { prepareMount } from '../../../src/mount/serving/prepare.js';
import { startTime } from '../../support/catalog-writer.js';
import { writeSmallCatalog } from '../../support/small-catalog.js';
import { temporaryDirectory } from '../../support/swept.js';

const [FULL, , TARGET] = [1, 2, 3].map((n) => backupIdOf(startTime(n))) as [string, string, string];
const mode = { force: false, afterPowerLoss: false, materializeOnRead: false };

/** A mount that is prepared, with a diff or without, and what changes a line of its target's control file. */
function prepared(t: Test, diff: boolean) {
  const base = temporaryDirectory('pbkfs-prepare-');
  t.teardown(() => rmSync(base, { recursive: true }));
  const mountpoint = join(base, 'mount');
  mkdirSync(mountpoint);
  const catalog = writeSmallCatalog(join(base, 'catalog'));
  const where = diff ? { diff: join(base, 'diff') } : { readOnly: true };
  const mount = prepareMount({ ...mode, ...where, mountpoint, catalog, instance: 'main', backupId: 'latest' }, true);
  t.teardown(() => mount.claim.rollback());
  const control = join(catalog, 'backups/main', TARGET, 'backup.control');
  const set = (name: string, value: string): void =>
    writeFileSync(
      control,
      readFileSync(control, 'utf8').replace(new RegExp(`^${name} = .*$`, 'm'), `${name} = ${value}`),
    );
  return { mount, set };
}

for (const diff of [true, false]) {
  t.test(`${diff ? 'with' : 'without'} a diff`, async (t) => {
    const { mount, set } = prepared(t, diff);
    t.strictSame(mount.recheck(), mount.chain);
    set('parent-backup-id', `'${FULL}'`);
    t.throws(() => mount.recheck(), {
      code: 'chain_changed',
      message: new RegExp(`^the chain of backup ${TARGET} was `),
    });
    set('status', 'MERGING');
    t.throws(() => mount.recheck(), { code: 'backup_unusable' });
  });
}

t.test('the log of a read-only mount goes with its clean end, and stays where it failed', async (t) => {
  const base = temporaryDirectory('pbkfs-prepare-');
  const before = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = base;
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
    rmSync(base, { recursive: true });
  });
  const mountpoint = join(base, 'mount');
  mkdirSync(mountpoint);
  const catalog = writeSmallCatalog(join(base, 'catalog'));
  const request = { ...mode, readOnly: true, mountpoint, catalog, instance: 'main', backupId: 'latest' };
  const { paths, claim } = prepareMount(request, false);
  const kept = (end: () => void): boolean => {
    writeFileSync(paths.logFile!, '');
    end();
    return existsSync(paths.logFile!);
  };
  t.ok(kept(() => claim.mark('failed')));
  t.notOk(kept(() => claim.mark('clean')));
  t.notOk(kept(() => claim.rollback()));
});
