// Rows of the file table: every field has a place of its own, and flags and set-id bits follow their rules.

import t from 'tap';
import { type Attributes, emptyAttributes, withoutSetId } from '../../../src/overlay/shared/attributes.js';
import { FileTable } from '../../../src/overlay/shared/file-table.js';
import { rowFlag, rowKind, word } from '../../../src/overlay/shared/row-layout.js';

const attributes: Attributes = {
  ino: 2 ** 41 + 5,
  size: 2 ** 40 + 1,
  mode: 0o106755,
  uid: 0xffff_fffe,
  gid: 70_000,
  nlink: 3,
  rdev: 0xffff_ffff,
  atime: 1_700_000_001,
  atimeNsec: 999_999_999,
  mtime: 1_700_000_002,
  mtimeNsec: 1,
  ctime: 1_700_000_003,
  ctimeNsec: 2,
};

t.test('attributes come back as they were written, and neighbours keep theirs', async (t) => {
  const table = FileTable.create(8);
  table.writeAttributes(3, attributes);
  table.setObjectId(3, '0123456789abcdefFEDCBA9876543210'.toLowerCase());
  const read = emptyAttributes();
  for (const row of [2, 4]) {
    table.readAttributes(row, read);
    t.same(read, emptyAttributes(), `row ${row}`);
  }
  table.readAttributes(3, read);
  t.same(read, attributes);
  t.equal(table.objectId(3), '0123456789abcdeffedcba9876543210');
});

t.test('a change of some attributes leaves the others', async (t) => {
  const table = FileTable.create(4);
  table.writeAttributes(1, attributes);
  table.modifyAttributes(1, { mode: 0o100600, atime: 5 });
  const read = emptyAttributes();
  table.readAttributes(1, read);
  t.same(read, { ...attributes, mode: 0o100600, atime: 5 });
});

t.test('flags are set and taken one by one', async (t) => {
  const table = FileTable.create(4);
  table.addFlag(1, rowFlag.dirtyData);
  table.addFlag(1, rowFlag.object);
  t.ok(table.takeFlag(1, rowFlag.dirtyData));
  t.notOk(table.takeFlag(1, rowFlag.dirtyData), 'once');
  t.ok(table.hasFlag(1, rowFlag.object));
});

t.test('a nodeid is alive only in its own generation', async (t) => {
  const table = FileTable.create(4);
  table.set(2, word.kind, rowKind.plain);
  table.set(2, word.generation, 7);
  t.ok(table.isLive(2, 7));
  t.notOk(table.isLive(2, 6));
  t.notOk(table.isLive(1, 0), 'free');
  t.notOk(table.isLive(0, 0));
  t.notOk(table.isLive(99, 0), 'out of range');
});

t.test('set-id bits go as POSIX has it after a write by somebody unprivileged', async (t) => {
  t.equal(withoutSetId(0o106755), 0o100755);
  t.equal(withoutSetId(0o102644), 0o102644, 'set-gid without group execution means mandatory locking');
});

t.test('a mutation moves size and times together', async (t) => {
  const table = FileTable.create(4);
  table.writeAttributes(1, attributes);
  table.touchData(1, 77, 1_800_000_000_250.5);
  const read = emptyAttributes();
  table.readAttributes(1, read);
  t.same([read.size, read.mtime, read.ctime], [77, 1_800_000_000, 1_800_000_000]);
  t.same([read.mtimeNsec, read.ctimeNsec], [250_500_000, 250_500_000]);
  t.equal(read.atime, attributes.atime);
});
