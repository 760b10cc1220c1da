// Loading a block map: which image counts, what is refused, and that nothing is served before it is durable.

import t from 'tap';
import { loadMap } from '../../../src/overlay/diff/index.js';
import { MARK_OFFSET, mapLayout } from '../../../src/overlay/diff/map-format.js';
import { BOOT, baseContent, FileUnderTest, IDENTITY, OTHER_BOOT } from './file-under-test.js';
import { SimulatedDisk } from './simulated-disk.js';

const block = new Uint8Array(8192).fill(255);
const BASE = 3 * 8192 + 100;

function fresh(): { disk: SimulatedDisk; under: FileUnderTest } {
  const disk = new SimulatedDisk();
  return { disk, under: new FileUnderTest(disk, 'objects', baseContent(BASE)) };
}

/** Turns bytes of the map into others, durably. */
function spoil(under: FileUnderTest, position: number, length = 1): void {
  const bytes = new Uint8Array(length);
  under.storage.pread(under.object.mapFd, bytes, 0, length, position);
  under.storage.pwrite(
    under.object.mapFd,
    bytes.map((byte) => byte ^ 0x55),
    0,
    length,
    position,
  );
  under.storage.fdatasync(under.object.mapFd);
}

t.test('same boot: everything acknowledged is there, and is durable before the load returns', async (t) => {
  const { disk, under } = fresh();
  under.file.write(block, 0, 8192, 8192);
  under.file.truncate(20_000);
  t.equal(under.remount(), 'loaded');
  t.equal(under.file.needsSync(), false);
  const seen = under.read().slice();
  t.same([seen.length, seen[8192]], [20_000, 255]);
  disk.powerCut(() => 'lost', false);
  t.equal(under.remount({ bootId: OTHER_BOOT }), 'loaded');
  t.same(under.read(), seen);
});

t.test('other boot: an object that was never synced is to be ignored', async (t) => {
  const { under } = fresh();
  under.file.write(block, 0, 8192, 0);
  t.equal(under.remount({ bootId: OTHER_BOOT }), 'ignore');
  t.equal(under.remount({ afterPowerLoss: true }), 'ignore');
});

t.test('--after-power-loss takes the durable image although the boot id is the same', async (t) => {
  const { under } = fresh();
  under.file.write(block, 0, 8192, 0);
  under.sync();
  under.file.write(block, 0, 8192, 8192);
  t.equal(under.remount({ afterPowerLoss: true }), 'loaded');
  t.same([under.file.isPresent(0), under.file.isPresent(1)], [true, false]);
});

t.test('a durable image longer than the object is cut to it, and stays cut', async (t) => {
  const { disk, under } = fresh();
  under.file.write(block, 0, 8192, 0);
  under.sync();
  under.file.truncate(10_000);
  disk.powerCut((name) => (name.endsWith('.map') ? 'lost' : 'kept'), false);
  t.equal(under.remount({ bootId: OTHER_BOOT }), 'loaded');
  t.same([under.file.length(), under.file.baseLimit()], [10_000, 10_000]);
  // The object grows again, un-synced; the old image must not come back with it.
  under.file.extend(BASE);
  disk.powerCut((name) => (name.endsWith('.map') ? 'lost' : 'kept'), false);
  t.equal(under.remount({ bootId: BOOT }), 'loaded');
  t.equal(under.file.length(), 10_000);
});

t.test('a clean remount costs no sync', async (t) => {
  const { disk, under } = fresh();
  under.file.write(block, 0, 8192, 0);
  under.sync();
  for (const bootId of [BOOT, OTHER_BOOT]) {
    disk.setFault(undefined);
    t.equal(under.remount({ bootId, cleanlyClosed: true }), 'loaded');
    t.equal(disk.calls, bootId === BOOT ? 0 : 2, 'another boot writes its current image, no more');
    t.equal(under.file.needsSync(), false);
    t.equal(under.read()[0], 255);
  }
});

t.test('a damaged newest durable slot is refused with a hint, never replaced by the older one', async (t) => {
  for (const bootId of [BOOT, OTHER_BOOT]) {
    const { under } = fresh();
    under.sync();
    under.file.write(block, 0, 8192, 0);
    under.sync();
    const { slots } = mapLayout(BASE);
    spoil(under, slots[1] + 16);
    t.throws(() => under.remount({ bootId }), { code: 'diff_damaged', hint: /.+/, message: /durable image/ });
  }
});

t.test('a damaged older slot does not matter', async (t) => {
  const { under } = fresh();
  under.sync();
  under.file.write(block, 0, 8192, 0);
  under.sync();
  spoil(under, mapLayout(BASE).slots[0] + 16);
  t.equal(under.remount({ bootId: OTHER_BOOT }), 'loaded');
  t.equal(under.read()[0], 255);
});

t.test('a slot torn while it was first written is no durable image', async (t) => {
  const { under } = fresh();
  under.sync();
  spoil(under, MARK_OFFSET, 16);
  spoil(under, mapLayout(BASE).slots[0] + 16);
  t.equal(under.remount({ bootId: OTHER_BOOT }), 'ignore');
});

t.test('a broken first page or current header is refused, the latter with the way out', async (t) => {
  const first = fresh().under;
  first.sync();
  spoil(first, 20);
  t.throws(() => first.remount(), { code: 'diff_damaged', message: /first page/ });
  t.throws(() => first.remount({ bootId: OTHER_BOOT }), { code: 'diff_damaged', message: /first page/ });
  const second = fresh().under;
  second.sync();
  spoil(second, mapLayout(BASE).current + 20);
  t.throws(() => second.remount(), { code: 'diff_damaged', hint: /--after-power-loss/ });
  t.equal(second.remount({ afterPowerLoss: true }), 'loaded');
});

t.test('the map of another object, of another base file or of a newer version is refused', async (t) => {
  const { disk, under } = fresh();
  under.sync();
  const options = { baseIdentity: IDENTITY, baseLength: BASE, bootId: BOOT };
  const load = (object: typeof under.object, other: object): unknown =>
    loadMap(disk, object, { ...options, ...other }, under.region);
  t.throws(() => load(under.object, { baseIdentity: 'S00001/base/1/1' }), { code: 'diff_damaged' });
  t.throws(() => load(under.object, { baseLength: BASE + 1 }), { code: 'diff_damaged' });
  const { objectFd, mapFd } = under.object;
  t.throws(() => load({ objectId: 'f'.repeat(32), directory: 'objects', objectFd, mapFd }, {}), {
    code: 'diff_damaged',
  });
  spoil(under, 8);
  t.throws(() => load(under.object, {}), { code: 'diff_damaged', message: /version/ });
});

t.test('a storage that fails during the load decides nothing; the next load is sound', async (t) => {
  const { disk, under } = fresh();
  under.file.write(block, 0, 8192, 8192);
  under.file.truncate(20_000);
  const seen = under.read().slice();
  for (let at = 0; at < 10; at++) {
    disk.setFault({ kind: 'error', at, code: 'EIO', half: true, lasting: false });
    try {
      under.remount();
    } catch (error) {
      t.equal((error as { code?: string }).code, 'EIO');
    }
    disk.setFault(undefined);
    t.equal(under.remount(), 'loaded');
    t.same(under.read(), seen, `call ${at}`);
  }
});
