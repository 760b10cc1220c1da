// `.pbkfs/wal` of a mount: the archive's files, decompressed and read-only.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { smallMount, unmounted } from '../mount/small-mount.js';
import { mountMissing } from '../support/mount.js';
import { madeUpSegment, nameOf, SEGMENT } from '../support/wal-segment.js';

t.test('served WAL is what the archive holds, and grows with it', { skip: mountMissing }, async (t) => {
  const mount = unmounted(t);
  const archive = join(mount.catalog, 'wal/main');
  writeFileSync(join(mount.catalog, 'backups/main/pg_probackup.conf'), `xlog-seg-size = ${SEGMENT}\n`);
  for (const number of [1, 2, 3]) writeFileSync(join(archive, `${nameOf(number)}.gz`), gzipSync(madeUpSegment(number)));
  writeFileSync(join(archive, '00000002.history'), '1\t0/300000\twhy\n');
  await mount.first();
  const served = mount.path('.pbkfs/wal');

  t.strictSame(readdirSync(served).sort(), [nameOf(1), nameOf(2), nameOf(3), '00000002.history'].sort());
  for (const number of [1, 2, 3, 1]) {
    t.equal(statSync(join(served, nameOf(number))).size, SEGMENT);
    t.ok(readFileSync(join(served, nameOf(number))).equals(madeUpSegment(number)));
  }
  t.equal(readFileSync(join(served, '00000002.history'), 'utf8'), '1\t0/300000\twhy\n');

  t.notOk(existsSync(join(served, nameOf(4))));
  writeFileSync(join(archive, nameOf(4)), madeUpSegment(4));
  t.ok(readFileSync(join(served, nameOf(4))).equals(madeUpSegment(4)), 'what was missing a moment ago is found');

  const partial = join(archive, `${nameOf(6)}.partial`);
  for (const length of [8192, 65536]) {
    writeFileSync(partial, madeUpSegment(6).subarray(0, length));
    const wanted = Buffer.concat([madeUpSegment(6).subarray(0, length)], SEGMENT);
    t.ok(readFileSync(join(served, nameOf(6))).equals(wanted), 'a partial segment grows');
  }
  writeFileSync(join(archive, nameOf(6)), madeUpSegment(6));
  t.ok(readFileSync(join(served, nameOf(6))).equals(madeUpSegment(6)), 'and becomes whole');

  truncateSync(join(archive, `${nameOf(2)}.gz`), 300);
  writeFileSync(join(archive, `${nameOf(5)}.gz`), gzipSync(madeUpSegment(5)).subarray(0, 300));
  t.ok(existsSync(join(served, nameOf(5))), 'damaged, but there: a missing segment would end recovery quietly');
  t.throws(() => readFileSync(join(served, nameOf(5))), { code: 'EIO' });

  const file = join(served, nameOf(1));
  t.throws(() => writeFileSync(join(served, 'new'), 'x'), { code: 'EPERM' });
  t.throws(() => mkdirSync(join(served, 'new')), { code: 'EPERM' });
  t.throws(() => rmSync(file), { code: 'EPERM' });
  t.throws(() => renameSync(file, mount.path('moved')), { code: 'EPERM' });
  t.throws(() => renameSync(mount.path('PG_VERSION'), join(served, 'PG_VERSION')), { code: 'EPERM' });
  t.throws(() => truncateSync(file, 0), { code: 'EPERM' });
  t.throws(() => rmSync(served, { recursive: true }), { code: 'EPERM' });
  t.notOk(readdirSync(mount.mountpoint).includes('.pbkfs'), 'not listed');
  await mount.unmount();
});

t.test('a catalog without archive serves none', { skip: mountMissing }, async (t) => {
  const mount = await smallMount(t);
  t.strictSame(readdirSync(mount.path('.pbkfs/wal')), []);
  t.notOk(existsSync(mount.path(`.pbkfs/wal/${nameOf(1)}`)));
  await mount.unmount();
});
