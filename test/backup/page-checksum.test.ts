// The page checksum: in vectors and in JavaScript, the same for any page.

import fc from 'fast-check';
import t from 'tap';
import {
  checksumBy,
  checksumInPlace,
  isZeroPage,
  pageChecksum,
  pageMemory,
  plainLaneSums,
} from '../../src/backup/page-checksum.js';
import { simdLaneSums } from '../../src/backup/page-checksum-simd.js';

t.test('vectors and JavaScript agree', (t) => {
  t.ok(simdLaneSums(new Int32Array(32)), 'this machine has the vectors');
  const plain = plainLaneSums();
  const part = fc.tuple(fc.nat(8191), fc.uint8Array({ minLength: 1, maxLength: 2000 }));
  const absolute = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.nat(9000), absolute, (parts, offset, block) => {
      const bytes = Buffer.alloc(offset + 8192 + 10, 0xa5).fill(0, offset, offset + 8192);
      for (const [at, content] of parts) bytes.set(content.subarray(0, 8192 - at), offset + at);
      return pageChecksum(bytes, offset, block) === checksumBy(plain, bytes, offset, block);
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('pd_checksum itself does not count, its neighbours do', (t) => {
  const page = Buffer.alloc(8192, 3);
  const before = pageChecksum(page, 0, 7);
  page.writeUInt16LE(0xbeef, 8);
  t.equal(pageChecksum(page, 0, 7), before);
  for (const at of [7, 10, 8191]) {
    const other = Buffer.from(page);
    other[at]! ^= 0x10;
    t.not(pageChecksum(other, 0, 7), before, `byte ${at}`);
  }
  t.not(pageChecksum(page, 0, 8), before, 'the block number counts');
  t.ok(isZeroPage(Buffer.alloc(8192), 0));
  t.end();
});

t.test('pages are checked where they lie: anywhere in a memory of any size, in vectors and in JavaScript', (t) => {
  const bytes = Buffer.from(Array.from({ length: 8192 }, (_, i) => (i * 7919) & 0xff));
  const wanted = pageChecksum(bytes, 0, 5);
  for (const memory of [pageMemory(8192 + 300_001), plainLaneSums(8192 + 300_001)]) {
    for (const at of [0, 1, 8, 8200, 65_535, 300_001]) {
      memory.bytes.fill(0xa5).set(bytes, at);
      t.equal(checksumInPlace(memory, at, 5), wanted, `at ${at}`);
    }
  }
  t.end();
});
