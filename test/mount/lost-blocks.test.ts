// A block that pg_probackup has lost: refused and named; everything else of the file is served.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { makePage } from '../support/pages.js';
import { type SmallMount, unmounted } from './small-mount.js';

const BLOCK = 8192;
const FILE = 'base/5/16384';
const DELTA = backupIdOf(startTime(1));
const pages = (...blocks: number[]) => blocks.map((block) => [block, makePage(block + 1, block)] as const);

function page(mount: SmallMount, block: number): Buffer {
  const fd = openSync(mount.path(FILE), 'r');
  try {
    const got = Buffer.alloc(BLOCK, 1);
    readSync(fd, got, 0, BLOCK, block * BLOCK);
    return got;
  } finally {
    closeSync(fd);
  }
}

t.test('a lost block', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  mount.catalog = writeCatalog(join(mount.base, 'merged'), [
    {
      start: startTime(0),
      mode: 'FULL',
      control: { 'merge-time': "'2026-11-01 10:00:00+00'" },
      files: [{ path: FILE, pages: pages(0, 1, 2) }],
    },
    {
      start: startTime(1),
      mode: 'DELTA',
      parent: startTime(0),
      files: [{ path: FILE, pages: pages(3), nBlocks: 5 }],
    },
  ]);
  await mount.first();
  t.throws(() => page(mount, 4), { code: 'EIO' });
  for (const [block, content] of pages(0, 1, 2, 3)) t.ok(page(mount, block).equals(content), `block ${block}`);
  t.match(
    mount.log(),
    new RegExp(
      ` backup ${DELTA}, file ${FILE}: block 4: no backup of the chain holds it, although DELTA backup ${DELTA} `,
    ),
  );
  t.match(
    readFileSync(mount.path('.pbkfs/metrics'), 'utf8'),
    new RegExp(`\\npbkfs_refused_place\\{[^}]*backup="${DELTA}",file="${FILE}",block="4"\\} [1-9]`),
  );
  const info = ['info', mount.mountpoint, '--file', FILE];
  t.match((await pbkfs(info)).stdout, /, 5 blocks\n {2}1 from \w+\n {2}3 from \w+\n {2}1 lost: in no backup\n$/);
  t.match((await pbkfs([...info, '--block', '4'])).stdout, `block 4 of ${FILE}: lost: no backup of the chain holds it`);
  t.match(JSON.parse((await pbkfs([...info, '--block', '4', '--json'])).stdout), {
    block: { from: 'lost', backupId: null, stored: null, checksum: 'damaged', message: /DELTA/ },
  });
  await mount.unmount();

  await mount.mount({ catalog: mount.catalog, instance: 'main', backup: 'latest' }, ['--verify', 'off']);
  t.ok(page(mount, 4).equals(Buffer.alloc(BLOCK)), 'with --verify=off as restore has it');
  await mount.unmount();
});
