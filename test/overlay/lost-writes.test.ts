// After a sync that failed the kernel takes its cached pages for written. A later mount in the same life of the host finds them
// in the cache, and may not believe that they are on the disk: it goes by what was synced before, as after a power loss.

import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';
import { type Syncs, watchSyncs } from '../support/watched-syncs.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const FILE = 'base/1/100';
const SYNCED = Buffer.alloc(8192, 7);
const UNSYNCED = Buffer.alloc(8192, 9);
let count = 0;

interface Scene {
  readonly diff: string;
  readonly mounted: DirectOverlay;
  readonly syncs: Syncs;
  /** what the second block of the file is in the backup */
  readonly base: Buffer;
  /** of the object of the file */
  readonly object: string;
}

/** A file of the backup whose first block was written and synced, and whose second one was only written. */
function scene(t: Test): Scene {
  const diff = `${root}/diff-${count++}`;
  const mounted = new DirectOverlay({ catalog, diff });
  mounted.keepInodes = true;
  const base = mounted.read(FILE, 8192, 8192);
  mounted.write(FILE, 0, SYNCED);
  mounted.syncAll();
  mounted.write(FILE, 8192, UNSYNCED);
  return {
    diff,
    mounted,
    base,
    syncs: watchSyncs(t),
    object: mounted.shared.table.objectId(mounted.open(FILE).inode.row),
  };
}

/** Only the synced block is left, and everybody may be told to be durable again. */
function goesByWhatWasSynced(t: Test, { diff, base }: Scene): void {
  const again = new DirectOverlay({ catalog, diff });
  t.same(again.warnings, [
    'a sync of the diff had failed in an earlier mount: of files changed then, what was synced before counts',
  ]);
  t.notOk(existsSync(`${diff}/lost-writes`));
  t.same(again.read(FILE, 0, 8192), SYNCED);
  t.same(again.read(FILE, 8192, 8192), base);
  again.write(FILE, 8192, UNSYNCED);
  again.fsync(FILE);
  again.kill();
  const last = new DirectOverlay({ catalog, diff });
  t.same(last.warnings, [], 'once');
  t.same(last.read(FILE, 8192, 8192), UNSYNCED);
  last.close();
}

t.test('a sync fails, and the mount is killed', async (t) => {
  const of = scene(t);
  of.syncs.failing = of.object;
  t.throws(() => of.mounted.fsync(FILE), { code: 'EIO' });
  of.mounted.kill();
  of.syncs.failing = undefined;
  goesByWhatWasSynced(t, of);
});

t.test('the mount is killed, and a sync fails while the next one recovers', async (t) => {
  const of = scene(t);
  of.mounted.kill();
  of.syncs.failing = of.object;
  t.throws(() => new DirectOverlay({ catalog, diff: of.diff }), { code: 'mount_failed' });
  t.throws(() => new DirectOverlay({ catalog, diff: of.diff }), { code: 'mount_failed' }, 'as long as it fails');
  of.syncs.failing = undefined;
  goesByWhatWasSynced(t, of);
});

t.test('the end of the mount fails', async (t) => {
  const of = scene(t);
  of.syncs.failing = of.object;
  t.throws(() => of.mounted.close(), { code: 'mount_failed' });
  of.syncs.failing = undefined;
  goesByWhatWasSynced(t, of);
});

t.test('a sync of a file made on the mount fails: what the others have not synced does not count either', async (t) => {
  const of = scene(t);
  of.mounted.create('base/1/made').write(0, UNSYNCED);
  of.syncs.failing = of.mounted.shared.table.objectId(of.mounted.open('base/1/made').inode.row);
  t.throws(() => of.mounted.fsync('base/1/made'), { code: 'EIO' });
  of.mounted.kill();
  of.syncs.failing = undefined;
  goesByWhatWasSynced(t, of);
});
