// When a file that is being written is sent to the disk early, and when it is left to the kernel.

import { join } from 'node:path';
import t from 'tap';
import { WRITEBACK_AFTER } from '../../src/overlay/data/unflushed.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(join(root, 'catalog'));
const PIECE = Buffer.alloc(1 << 18, 7);
const PIECES = WRITEBACK_AFTER / PIECE.length;

/** How often writeback was asked for while `pieces` were written one behind the other. */
function askedFor(mount: DirectOverlay, path: string, pieces: number, after?: (piece: number) => void): number {
  const before = mount.writebacks.length;
  for (let i = 0; i < pieces; i++) {
    mount.write(path, i * PIECE.length, PIECE);
    after?.(i);
  }
  return mount.writebacks.length - before;
}

t.test('every few megabytes of a file, whether it was made here or belongs to the backup', async (t) => {
  const mount = new DirectOverlay({ catalog, diff: join(root, 'often') });
  mount.keepInodes = true;
  mount.create('base/1/made');
  t.equal(askedFor(mount, 'base/1/made', PIECES - 1), 0, 'not before');
  t.equal(askedFor(mount, 'base/1/made', 1), 1);
  t.equal(askedFor(mount, 'base/1/made', 3 * PIECES), 3, 'also when the same blocks are written again');
  const based = [...mount.readdir('base/1').keys()].find((name) => name !== 'made')!;
  t.equal(askedFor(mount, `base/1/${based}`, 2 * PIECES), 2, based);
  t.equal(new Set(mount.writebacks).size, 2, 'each by its object');
  mount.close();
});

t.test('what was synced does not count any more', async (t) => {
  const mount = new DirectOverlay({ catalog, diff: join(root, 'synced') });
  mount.create('base/1/made');
  const asked = askedFor(mount, 'base/1/made', 2 * PIECES, (piece) => {
    if (piece % (PIECES / 2) === 0) mount.fsync('base/1/made');
  });
  t.equal(asked, 0);
  mount.close();
});

t.test('never for data that nobody syncs', async (t) => {
  const mount = new DirectOverlay({ catalog, diff: join(root, 'never'), noWal: true });
  mount.keepInodes = true;
  mount.mkdir('base/pgsql_tmp');
  mount.mkdir('base/pgsql_tmp/pgsql_tmp17.0.fileset');
  const files = [
    'base/pgsql_tmp/pgsql_tmp17.1',
    'base/pgsql_tmp/pgsql_tmp17.0.fileset/i1of2.p0.0',
    'base/1/t3_16400',
    'pg_wal/000000010000000000000009',
  ];
  for (const path of files) {
    mount.create(path);
    t.equal(askedFor(mount, path, 2 * PIECES), 0, path);
  }
  mount.create('base/1/t_3');
  t.equal(askedFor(mount, 'base/1/t_3', 2 * PIECES), 2, 'this one is not temporary');
  mount.close();
});
