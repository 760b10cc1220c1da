// Golden bytes of the block map: a change of any of them is a change of the format.

import { createHash } from 'node:crypto';
import t from 'tap';
import {
  bootIdBytes,
  decodeCurrent,
  decodeDurable,
  decodeIdentity,
  decodeMark,
  encodeCurrent,
  encodeDurable,
  encodeIdentity,
  encodeMark,
  MAP_PAGE,
  MARK_OFFSET,
  mapLayout,
} from '../../../src/overlay/diff/map-format.js';
import { BOOT } from './file-under-test.js';

const objectId = '00112233445566778899aabbccddeeff';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

t.test('layout: page 0, current, two slots', async (t) => {
  t.same(mapLayout(0), { current: 4096, slots: [8192, 12_288], end: 16_384 });
  t.same(mapLayout(2 ** 30), { current: 4096, slots: [24_576, 45_056], end: 65_536 }, 'a full segment');
});

t.test('identity page', async (t) => {
  const identity = { objectId, baseIdentity: 'S1/base/1/2\xff', baseLength: 2 ** 33 + 5 };
  const page = encodeIdentity(identity);
  t.equal(page.length, MAP_PAGE);
  t.equal(
    hex(page.subarray(0, 60)),
    '50424b46534d4150' +
      '01000000' +
      hex(page.subarray(12, 16)) +
      objectId +
      '0500000002000000' +
      '0c00000000000000' +
      '53312f626173652f312f32ff',
  );
  t.same(decodeIdentity(page), identity);
  page[50] ^= 1;
  t.equal(decodeIdentity(page), undefined);
  page[8] = 2;
  t.equal(decodeIdentity(page), 'newer');
  t.throws(() => encodeIdentity({ ...identity, baseIdentity: 'x'.repeat(3537) }));
});

t.test('mark', async (t) => {
  const page = new Uint8Array(MAP_PAGE);
  t.equal(decodeMark(page), 0);
  page.set(encodeMark(2 ** 32 + 7), MARK_OFFSET);
  t.equal(decodeMark(page), 2 ** 32 + 7);
  page[MARK_OFFSET + 9] ^= 1;
  t.equal(decodeMark(page), 0, 'a broken witness says nothing');
});

t.test('durable slot', async (t) => {
  const bits = Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0);
  const image = { sequence: 3, length: 2 ** 32 + 1, baseLimit: 8192, complete: true, bits };
  const bytes = encodeDurable(objectId, image);
  t.equal(
    hex(bytes),
    '50424b44' +
      hex(bytes.subarray(4, 8)) +
      '0300000000000000' +
      '0100000001000000' +
      '0020000000000000' +
      objectId +
      '00'.repeat(16) +
      '01000000' +
      '08000000' +
      '00'.repeat(8) +
      '0500000000000000',
  );
  t.same(decodeDurable(objectId, bytes), image);
  t.equal(decodeDurable('f'.repeat(32), bytes), undefined, 'of another object');
  for (let at = 0; at < bytes.length; at++) {
    const broken = bytes.slice();
    broken[at] ^= 0x10;
    if (decodeDurable(objectId, broken) !== undefined) t.fail(`byte ${at} is not guarded`);
  }
});

t.test('current header', async (t) => {
  const boot = bootIdBytes(BOOT);
  const bytes = encodeCurrent(objectId, boot, 100, 50, 8);
  t.same(decodeCurrent(objectId, bytes), { boot, length: 100, baseLimit: 50 });
  t.equal(decodeCurrent(objectId, new Uint8Array(80)), 'none');
  bytes[20] ^= 1;
  t.equal(decodeCurrent(objectId, bytes), 'broken');
  t.throws(() => bootIdBytes('nonsense'));
});

t.test('checksummed bytes of mark and identity', async (t) => {
  const digest = createHash('sha256')
    .update(encodeMark(1))
    .update(encodeIdentity({ objectId, baseIdentity: 'b', baseLength: 1 }));
  t.equal(digest.digest('hex').slice(0, 16), '0de3885bc9f4530c');
});
