// Journal records: what is written is what is read; anything else is damage.

import t from 'tap';
import { decodeRecord, encodeRecord, type JournalRecord } from '../../../src/overlay/namespace/records.js';
import { pointsOutside } from '../../../src/overlay/namespace/tablespace-guard.js';

t.test('records come back as they were, with names of any bytes', async (t) => {
  const name = Buffer.from([0x22, 0x5c, 0x0a, 0xff, 0x80, 0xc3, 0x28, 1]).toString('latin1');
  const record: JournalRecord = {
    time: 1_700_000_000_123,
    changes: [
      ['node', 2, { mode: 0o100600, uid: 1, gid: 2, atime: [1, 2], mtime: [3, 4], ctime: [5, 6], base: name }],
      ['link', 1, name, 2],
      ['unlink', 1, name],
      ['attributes', 2, { mode: 0o100640 }],
      ['object', 2, 'ab'],
      ['counts', 2, 1, 0],
      ['opened', 'boot'],
      ['clean'],
    ],
  };
  t.same(decodeRecord(encodeRecord(record)), record);
});

t.test('anything else is refused as damage of the diff', async (t) => {
  for (const text of [
    '',
    'x',
    '{}',
    '[]',
    '["late"]',
    '[1,["future",1]]',
    '[1,["link",1]]',
    '[1,5]',
    '[1,["toString"]]',
  ]) {
    t.throws(() => decodeRecord(Buffer.from(text)), { code: 'diff_damaged' }, text);
  }
});

t.test('a link in pg_tblspc leads outside unless it stays below the mount point', async (t) => {
  for (const target of ['/production', '../..', '../../x', '/mnt/a/../b', '/mnt/ab', '/']) {
    t.ok(pointsOutside('/mnt/a', target), target);
  }
  for (const target of ['/mnt/a/x', '../x', 'x', '../.pbkfs/tablespaces/1', '/mnt/a', '../../a/x']) {
    t.notOk(pointsOutside('/mnt/a', target), target);
  }
});
