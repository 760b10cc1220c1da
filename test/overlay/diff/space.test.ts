// Space that a DiffFile reserves and gives back, and what it does where the file system can do neither.

import fs from 'node:fs';
import { constants } from 'node:os';
import t from 'tap';
import { DiffFile, NodeStorage } from '../../../src/overlay/diff/index.js';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, fallocate, systemError } from '../../../src/sys/libc.js';
import { baseContent, FileUnderTest, readerOf } from './file-under-test.js';

t.test('block map and extensions reserve their space where a fallocate is given', async (t) => {
  const asked: number[][] = [];
  const storage = new NodeStorage({
    fallocate: (fd, offset, size) => {
      asked.push([offset, size]);
      fs.ftruncateSync(fd, offset + size);
    },
  });
  const under = new FileUnderTest(storage, t.testdir(), baseContent(8192));
  under.file.extend(24_576);
  under.file.truncate(32_768);
  const map = [0, 16_384];
  t.same(asked, [map, [8192, 16_384]]);
  t.equal(under.file.length(), 32_768);
});

t.test('an extension falls back to a hole where the file system has no fallocate', async (t) => {
  const storage = new NodeStorage({
    fallocate: () => {
      throw systemError('fallocate', constants.errno.EOPNOTSUPP);
    },
  });
  const under = new FileUnderTest(storage, t.testdir(), baseContent(10));
  under.file.extend(24_576);
  t.same(
    [
      under.file.length(),
      under
        .read()
        .subarray(10)
        .every((byte) => byte === 0),
    ],
    [24_576, true],
  );
});

t.test('a hole is zeros where the file system can make none', async (t) => {
  const asked: number[][] = [];
  for (const isSupported of [true, false]) {
    const storage = new NodeStorage({
      punch: (fd, offset, length) => {
        asked.push([offset, length]);
        if (!isSupported) throw systemError('fallocate', constants.errno.EOPNOTSUPP);
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
      },
    });
    const base = baseContent(40_000);
    const under = new FileUnderTest(storage, t.testdir(), base);
    under.file.write(Buffer.alloc(8192, 7), 0, 8192, 16_384);
    under.file.zeroRange(5, 30_000);
    t.strictSame(Buffer.from(under.read()), Buffer.from(base).fill(0, 5, 30_000), `${isSupported}`);
    under.sync();
    under.file.zeroRange(8192, 16_384);
    t.ok(under.file.needsSync(), 'also of a block that the diff has already');
  }
  const both = [
    [8192, 16_384],
    [8192, 8192],
  ];
  t.strictSame(asked, [...both, ...both]);
});

t.test(
  'a hole that cannot be made since the base is damaged at its edge takes nothing from what lies within',
  async (t) => {
    for (const edge of [1, 4]) {
      const storage = new NodeStorage({
        punch: (fd, offset, length) => fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length),
      });
      const base = baseContent(40_000);
      const under = new FileUnderTest(storage, t.testdir(), base);
      const { region, object } = under;
      const reader = {
        readBlock(block: number, out: Uint8Array, at: number) {
          if (block === edge) throw systemError('read', constants.errno.EIO);
          readerOf(base).readBlock(block, out, at);
        },
      };
      const damaged = new DiffFile(storage, object, region, reader, base.length);
      t.throws(() => damaged.zeroRange(8192 + 5, 4 * 8192 + 5), { code: 'EIO' });
      const within = (bytes: Uint8Array) => Buffer.from(bytes.subarray(2 * 8192, 4 * 8192));
      t.strictSame(within(under.read()), within(base), `block ${edge} is damaged`);
    }
  },
);

t.test('a file system that has no fallocate is put up with, any other trouble is told', async (t) => {
  const failing = (errno: number): NodeStorage => {
    const fail = (): never => {
      throw systemError('fallocate', errno);
    };
    return new NodeStorage({ fallocate: fail, reserve: fail, punch: fail });
  };
  const fd = fs.openSync(`${t.testdir()}/file`, 'w+');
  t.teardown(() => fs.closeSync(fd));
  const without = failing(constants.errno.EOPNOTSUPP);
  without.allocate(fd, 0, 8192);
  without.reserve(fd, 0, 8192);
  t.equal(without.punch(fd, 0, 8192), false);
  const full = failing(constants.errno.ENOSPC);
  t.throws(() => full.allocate(fd, 0, 8192), { code: 'ENOSPC' });
  t.throws(() => full.reserve(fd, 0, 8192), { code: 'ENOSPC' });
  t.throws(() => full.punch(fd, 0, 8192), { code: 'ENOSPC' });
});
