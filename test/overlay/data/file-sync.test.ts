// Syncs of one file, of all and of names: what each makes durable, and what the next ones say after one that failed.

import fs, { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import t, { type Test } from 'tap';
import { control } from '../../../src/overlay/shared/shared-state.js';
import { DirectOverlay } from '../../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../../support/small-catalog.js';
import { watchSyncs } from '../../support/watched-syncs.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const block = Buffer.alloc(8192, 7);
const BASED = 'base/1/100';
const MADE = 'base/1/made';

/** A mount with a changed file of the backup and one made on it. */
function mount(diff: string, options: { noWal?: boolean; fdLimit?: number } = {}): DirectOverlay {
  const direct = new DirectOverlay({ catalog, diff: `${root}/${diff}`, ...options });
  direct.keepInodes = true;
  direct.create(MADE).write(0, block);
  direct.write(BASED, 0, block);
  return direct;
}

for (const path of [BASED, MADE]) {
  t.test(`after a failed sync none of that file succeeds, and the others are synced: ${path}`, async (t) => {
    const diff = `failed-${basename(path)}`;
    const direct = mount(diff);
    const syncs = watchSyncs(t);
    const { row } = direct.open(path).inode;
    const object = direct.shared.table.objectId(row);
    syncs.failing = object;
    t.throws(() => direct.fsync(path), { code: 'EIO' });
    syncs.failing = undefined;
    t.throws(() => direct.fsync(path), { code: 'diff_sync_failed' }, 'it may have lost what it should have written');
    t.throws(() => direct.syncAll(), { code: 'diff_sync_failed' });
    t.throws(() => direct.fsync(path), { code: 'diff_sync_failed' }, 'also when all were to be synced meanwhile');
    t.notOk(syncs.done.includes(object));
    direct.fsync(path === BASED ? MADE : BASED);
    direct.engine.close();
    t.throws(() => direct.overlay.close(), { code: 'diff_sync_failed' }, 'the end is no clean one');
    const again = new DirectOverlay({ catalog, diff: `${root}/${diff}` });
    for (const file of [BASED, MADE]) {
      const counts = file !== path || file === MADE;
      t.equal(again.read(file, 0, 8192).equals(block), counts, `${file} after a remount`);
    }
    again.close();
  });
}

t.test('a sync of all syncs whatever it can, names too, and then says what failed', async (t) => {
  const direct = mount('all');
  const syncs = watchSyncs(t);
  const { table, control: words } = direct.shared;
  const objectOf = (path: string): string => table.objectId(direct.open(path).inode.row);
  direct.write('base/1/101', 0, block);
  direct.mkdir('base/3');
  syncs.failing = objectOf(BASED);
  t.throws(() => direct.syncAll(), { code: 'EIO' });
  for (const path of [MADE, 'base/1/101']) t.ok(syncs.done.includes(objectOf(path)), path);
  t.equal(Atomics.load(words, control.journalSynced), Atomics.load(words, control.journalAppended), 'the journal');
  t.equal(Atomics.load(words, control.objectsSynced), Atomics.load(words, control.objectsCreated), 'names of objects');
  direct.kill();
});

t.test('of two failures of a sync of all, and of the end of a mount, the first is told', async (t) => {
  const direct = mount('first');
  const syncs = watchSyncs(t);
  const object = direct.shared.table.objectId(direct.open(BASED).inode.row);
  syncs.failing = [object, 'objects'];
  t.throws(() => direct.syncAll(), { message: `EIO: ${object}` });
  direct.kill();
  const other = mount('first-end');
  syncs.failing = [other.shared.table.objectId(other.open(MADE).inode.row), 'objects'];
  other.engine.close();
  t.throws(() => other.overlay.close(), { message: new RegExp(`EIO: ${syncs.failing[0]}$`) });
  syncs.failing = undefined;
});

t.test('objects have durable names before records that mention them', async (t) => {
  const direct = mount('order');
  const syncs = watchSyncs(t);
  direct.syncAll();
  t.ok(syncs.done.lastIndexOf('objects') < syncs.done.indexOf('journal'), syncs.done.join(' '));
  direct.close();
});

t.test('nothing is synced where nothing was written, nor where the data goes with the mount', async (t) => {
  const direct = mount('nothing', { noWal: true });
  direct.syncAll();
  direct.create('pg_wal/1').write(0, block);
  const syncs = watchSyncs(t);
  direct.fsync('pg_wal/1');
  t.strictSame(syncs.done, []);
  direct.fsync(BASED);
  direct.fsync(MADE);
  t.strictSame(
    syncs.done.filter((name) => name !== 'journal' && name !== 'objects'),
    [],
  );
  direct.close();
});

/** From now on every close(2) of an object or map fails, as on NFS where what was written does not reach the server; the number is free. */
function failingCloses(t: Test): () => void {
  const { closeSync } = fs;
  const end = (): void => {
    Object.assign(fs, { closeSync });
    syncBuiltinESMExports();
  };
  Object.assign(fs, {
    closeSync: (fd: number) => {
      const path = fs.readlinkSync(`/proc/self/fd/${fd}`);
      closeSync(fd);
      if (path.includes('/objects/')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    },
  });
  syncBuiltinESMExports();
  t.teardown(end);
  return end;
}

for (const path of [BASED, MADE]) {
  t.test(`what a failed close has told of a file its next fsync tells, and nobody else: ${path}`, async (t) => {
    const direct = mount(`closed-${basename(path)}`, { fdLimit: 2 });
    direct.write(path, 0, block);
    const end = failingCloses(t);
    // Its descriptors have to go for these.
    for (const other of ['base/1/101', 'base/1/raw', 'base/1/101'])
      t.equal(direct.read(other, 0, 100).length, 100, other);
    end();
    t.throws(() => direct.fsync(path), { code: 'diff_sync_failed' });
    direct.create('base/1/untouched').write(0, block);
    direct.fsync('base/1/untouched');
    t.ok(existsSync(`${root}/closed-${basename(path)}/lost-writes`), 'the next mount hears of it');
    t.throws(() => direct.close(), { code: 'diff_sync_failed' }, 'the end is no clean one');
  });
}

for (const path of [BASED, MADE]) {
  t.test(`nor does an fsync succeed of a file that was forgotten by then: ${path}`, async (t) => {
    const direct = mount(`forgotten-${basename(path)}`, { fdLimit: 2 });
    direct.syncAll();
    direct.write(path, 0, block);
    direct.dropCaches();
    const end = failingCloses(t);
    for (const other of ['base/1/101', 'base/1/raw', 'base/1/101']) direct.read(other, 0, 100);
    end();
    t.throws(() => direct.fsync(path), { code: 'diff_sync_failed' });
    t.throws(() => direct.close(), { code: 'diff_sync_failed' }, 'the end is no clean one');
  });
}

t.test('a file whose object was made and could not be closed can be written', async (t) => {
  const direct = mount('unclosed');
  const file = direct.create('base/1/another');
  const end = failingCloses(t);
  t.equal(file.write(0, block), 8192);
  end();
  t.equal(file.write(8192, block), 8192);
  direct.close();
});
