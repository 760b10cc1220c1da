// A WAL segment of the backup comes into the diff whole, and from then on a sync of it is a sync of one file.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { flag } from '../../src/overlay/diff/block-state.js';
import { double } from '../../src/overlay/shared/row-layout.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const SEGMENT = 'pg_wal/000000010000000000000001';
const root = scratchDirectory();
const catalog = writeSmallCatalog(join(root, 'catalog'));
const truth = smallFiles.get(SEGMENT)!;

/** Bytes of the maps among the objects of a diff. */
function maps(diff: string): string {
  const objects = join(diff, 'objects');
  const names = readdirSync(objects).filter((name) => name.endsWith('.map'));
  return names.map((name) => readFileSync(join(objects, name)).toString('hex')).join();
}

t.test(
  'the first write brings all of it, the first sync makes it complete, the next ones leave the map alone',
  async (t) => {
    const diff = join(root, 'diff');
    const direct = new DirectOverlay({ catalog, diff });
    direct.keepInodes = true;
    const expected = Buffer.from(truth);
    const write = (position: number, text: string): void => {
      direct.write(SEGMENT, position, Buffer.from(text));
      expected.write(text, position);
    };
    write(100, 'first record');
    t.equal(direct.counters().blocksMaterialized, Math.ceil(truth.length / 8192));
    direct.fsync(SEGMENT);
    const before = maps(diff);
    write(20_000, 'second record');
    direct.fsync(SEGMENT);
    write(39_990, 'past the end of it');
    direct.fsync(SEGMENT);
    t.equal(maps(diff), before);
    t.ok(
      direct.readAll(SEGMENT).equals(Buffer.concat([expected.subarray(0, 39_990), Buffer.from('past the end of it')])),
    );
    direct.rename(SEGMENT, 'pg_wal/000000010000000000000009');
    const content = direct.readAll('pg_wal/000000010000000000000009');
    direct.kill();
    for (const afterPowerLoss of [false, true]) {
      const again = new DirectOverlay({ catalog, diff, afterPowerLoss });
      t.ok(again.readAll('pg_wal/000000010000000000000009').equals(content));
      t.notOk([...again.readdir('pg_wal').keys()].includes(SEGMENT.slice(7)));
      again.close();
    }
  },
);

t.test('other files of the backup stay block by block', async (t) => {
  const direct = new DirectOverlay({ catalog, diff: join(root, 'blocks') });
  direct.keepInodes = true;
  direct.write('base/1/raw', 0, Buffer.alloc(20_000, 'x'));
  direct.fsync('base/1/raw');
  t.equal(direct.counters().blocksMaterialized, 0);
  const open = direct.open('base/1/raw');
  const state = direct.shared.table.getDouble(open.inode.row, double.diffState);
  const flags = new Int32Array(direct.shared.arena.buffer, state + 44, 1)[0]!;
  t.equal(flags & flag.complete, 0);
  open.close();
  direct.close();
});

t.test('without room for all of it, and with --no-wal, it stays block by block, too', async (t) => {
  for (const [name, options] of [
    ['limit', { diffLimit: 4 * 8192 }],
    ['transient', { noWal: true }],
  ] as const) {
    const direct = new DirectOverlay({ catalog, diff: join(root, name), ...options });
    direct.write(SEGMENT, 8192, Buffer.alloc(8192, 'y'));
    t.equal(direct.counters().blocksMaterialized, 0, name);
    t.ok(
      direct
        .readAll(SEGMENT)
        .equals(Buffer.concat([truth.subarray(0, 8192), Buffer.alloc(8192, 'y'), truth.subarray(16384)])),
    );
    direct.close();
  }
});

t.test('a damaged segment is EIO to readers and may be written over', async (t) => {
  const damaged = writeSmallCatalog(join(root, 'damaged'));
  const stored = readdirSync(join(damaged, 'backups/main'), { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(SEGMENT))
    .map((path) => join(damaged, 'backups/main', path));
  t.ok(stored.length > 0);
  for (const path of stored) {
    const bytes = readFileSync(path);
    bytes[9000]! ^= 1;
    writeFileSync(path, bytes);
  }
  const direct = new DirectOverlay({ catalog: damaged, diff: join(root, 'over') });
  direct.keepInodes = true;
  t.throws(() => direct.readAll(SEGMENT), { code: 'page_damaged' });
  direct.write(SEGMENT, 0, Buffer.alloc(8192, 'z'));
  direct.fsync(SEGMENT);
  t.throws(() => direct.readAll(SEGMENT), { code: 'page_damaged' }, 'the rest is still the backup');
  direct.write(SEGMENT, 8192, Buffer.alloc(truth.length - 8192, 'z'));
  t.ok(direct.readAll(SEGMENT).equals(Buffer.alloc(truth.length, 'z')));
  direct.close();
});
