// mount --no-wal: what lies below pg_wal is everything but kept; what leaves the directory is as any other file.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(join(root, 'catalog'));

t.test('WAL is read and renamed while the mount lives, and gone with it', async (t) => {
  const diff = join(root, 'diff');
  const first = new DirectOverlay({ catalog, diff });
  first.mkdir('pg_wal/archive_status');
  first.create('pg_wal/before').write(0, Buffer.from('of an earlier mount'));
  first.close();

  const second = new DirectOverlay({ catalog, diff, noWal: true });
  const unsynced = (): number => {
    const { rows } = second.overlay.holdUnsynced(0);
    for (const [row, generation] of rows) second.overlay.forget(row, generation, 1);
    return rows.length;
  };
  for (const name of ['pg_wal/1', 'pg_wal/2', 'pg_wal/archive_status/1.done']) {
    second.create(name).write(0, Buffer.from(name));
    second.fsync(name);
  }
  second.write('pg_wal/before', 0, Buffer.from('OF'));
  t.equal(unsynced(), 0, 'nothing of it is ever synced');
  second.create('base/1/data').write(0, Buffer.from('data'));
  t.equal(unsynced(), 1);
  second.fsync('base/1/data');
  second.rename('pg_wal/1', 'base/1/out');
  t.equal(unsynced(), 1, 'what its fsync did not do counts once it has left');
  second.rename('base/1/data', 'pg_wal/3');
  second.rename('pg_wal/2', 'pg_wal/4');
  t.equal(second.readAll('pg_wal/4').toString(), 'pg_wal/2');
  second.close();

  const third = new DirectOverlay({ catalog, diff });
  t.strictSame([...third.readdir('pg_wal').keys()].sort(), ['000000010000000000000001', 'archive_status']);
  t.strictSame([...third.readdir('pg_wal/archive_status').keys()], []);
  t.equal(third.readAll('base/1/out').toString(), 'pg_wal/1');
  third.close();
  t.equal(readdirSync(join(diff, 'objects')).length, 1, 'no object is left of the rest');
});
