// The CRCs that a mount makes do with when the native module has been taken away under it.

import { crc32, crc32c } from '@node-rs/crc32';
import t from 'tap';
import { slowCrc } from '../../src/backup/crc-table.js';

t.test('they are those of the native module, whole and in pieces', (t) => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37 + (i >> 3)) & 255));
  for (const [crc, native] of [
    [slowCrc.crc32c, crc32c],
    [slowCrc.crc32, crc32],
  ] as const) {
    for (const length of [0, 1, 2, 255, 1000])
      t.equal(crc(bytes.subarray(0, length)), native(bytes.subarray(0, length)));
    t.equal(crc(bytes.subarray(300), crc(bytes.subarray(0, 300))), native(bytes));
  }
  t.end();
});
