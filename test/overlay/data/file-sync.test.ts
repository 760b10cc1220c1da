// Syncs of one file, of all and of names: what each makes durable, and what the next ones say after one that failed.

import { basename } from 'node:path';
import t from 'tap';
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
function mount(diff: string, options: { noWal?: boolean } = {}): DirectOverlay {
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
    for (const file of [BASED, MADE]) t.ok(again.read(file, 0, 8192).equals(block), `${file} after a remount`);
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
