// After a sync that failed the kernel takes its cached pages for written. A later mount in the same life of the host finds them
// in the cache, and may not believe that they are on the disk: it goes by what was synced before, as after a power loss.

import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { NodeStorage } from '../../src/overlay/diff/index.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { openFilesOf } from '../support/open-files.js';
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
    object: objectOf(mounted, FILE),
  };
}

function objectOf(mounted: DirectOverlay, path: string): string {
  return mounted.shared.table.objectId(mounted.open(path).inode.row);
}

function killedAfterFailedSync(t: Test, { mounted, syncs }: Scene, path = FILE): void {
  syncs.failing = objectOf(mounted, path);
  t.throws(() => mounted.fsync(path), { code: 'EIO' });
  mounted.kill();
  syncs.failing = undefined;
}

const WARNING =
  'a sync of the diff had failed in an earlier mount: of files changed then, what was synced before counts';

/** Only the synced block is left, and everybody may be told to be durable again. */
function goesByWhatWasSynced(t: Test, { diff, base }: Scene): void {
  const again = new DirectOverlay({ catalog, diff });
  t.same(again.warnings, [WARNING]);
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
  killedAfterFailedSync(t, of);
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
  killedAfterFailedSync(t, of, 'base/1/made');
  goesByWhatWasSynced(t, of);
});

t.test('what keeps a mount from coming up otherwise does not make the mark forgotten', async (t) => {
  const of = scene(t);
  killedAfterFailedSync(t, of);
  mkdirSync(`${of.diff}/journal.new`);
  t.throws(() => new DirectOverlay({ catalog, diff: of.diff }));
  rmdirSync(`${of.diff}/journal.new`);
  goesByWhatWasSynced(t, of);
});

t.test(
  'a sync of names fails, and an object is gone: the bytes of the backup count, in the same life of the host',
  async (t) => {
    const diff = `${root}/diff-${count++}`;
    const mounted = new DirectOverlay({ catalog, diff });
    mounted.keepInodes = true;
    const base = mounted.read(FILE, 0, 8192);
    mounted.write(FILE, 0, UNSYNCED);
    const object = `${diff}/objects/${mounted.shared.table.objectId(mounted.open(FILE).inode.row)}`;
    const syncs = watchSyncs(t);
    syncs.failing = 'objects';
    t.throws(() => mounted.syncAll(), { code: 'EIO' });
    mounted.kill();
    syncs.failing = undefined;
    for (const suffix of ['', '.map']) rmSync(`${object}${suffix}`);
    const again = new DirectOverlay({ catalog, diff });
    t.same(again.warnings, [WARNING, `${FILE} lost its changes: they were never synced, and neither was their object`]);
    t.same(again.read(FILE, 0, 8192), base);
    again.close();
  },
);

t.test('a mark on a diff that has ended cleanly since says nothing', async (t) => {
  const { diff, mounted } = scene(t);
  mounted.close();
  writeFileSync(`${diff}/lost-writes`, '');
  const again = new DirectOverlay({ catalog, diff });
  t.same(again.warnings, []);
  t.same(again.read(FILE, 8192, 8192), UNSYNCED);
  again.close();
  t.notOk(existsSync(`${diff}/lost-writes`));
});

t.test('syncs that fail again and again use no descriptors up', async (t) => {
  const { mounted, object, syncs, diff } = scene(t);
  syncs.failing = object;
  t.throws(() => mounted.fsync(FILE), { code: 'EIO' });
  t.notOk(openFilesOf('self').includes(`${diff}/lost-writes`));
  mounted.kill();
});

t.test('whatever of the storage fails to become durable is noted', async (t) => {
  let lost = 0;
  const storage = new NodeStorage({ lost: () => void lost++ });
  const closed = 1_000_000;
  t.throws(() => storage.fdatasync(closed), { code: 'EBADF' });
  t.equal(lost, 1);
  t.throws(() => storage.close(closed), { code: 'EBADF' }, 'as NFS tells of a write');
  t.equal(lost, 2);
  t.throws(() => storage.fsyncDir('/proc'), { code: 'EINVAL' });
  t.equal(lost, 3);
  t.throws(() => storage.fsyncDir('/proc/absent'), { code: 'ENOENT' });
  t.equal(lost, 3);
});
