// The allocator of shared memory: pieces are zeroed, apart from each other, and used again.

import t from 'tap';
import { Arena } from '../../../src/overlay/shared/arena.js';

t.test('pieces are aligned, zeroed, and do not overlap', async (t) => {
  const arena = Arena.create(1 << 20);
  const taken: [number, number][] = [];
  const bytes = new Uint8Array(arena.buffer);
  for (const size of [1, 64, 65, 100, 4096, 5000, 128, 0, 20_000]) {
    const offset = arena.allocate(size);
    t.equal(offset % 64, 0, `${size} bytes at ${offset}`);
    t.ok(
      taken.every(([from, to]) => offset >= to || offset + size <= from),
      'apart from the others',
    );
    t.ok(bytes.subarray(offset, offset + size).every((byte) => byte === 0));
    bytes.fill(0xff, offset, offset + size);
    taken.push([offset, offset + size]);
  }
});

t.test('a piece that was given back is used again, zeroed', async (t) => {
  const arena = Arena.create(1 << 20);
  const inUse = arena.bytesInUse();
  const first = arena.allocate(1000);
  new Uint8Array(arena.buffer).fill(0xff, first, first + 1000);
  arena.free(first, 1000);
  const second = arena.allocate(600);
  t.equal(second, first, 'of the same size class');
  t.ok(new Uint8Array(arena.buffer, second, 600).every((byte) => byte === 0));
  arena.free(second, 600);
  t.equal(arena.bytesInUse(), inUse);
  const many = Array.from({ length: 10 }, () => arena.allocate(64));
  for (const offset of many) arena.free(offset, 64);
  t.same(
    Array.from({ length: 10 }, () => arena.allocate(64)).sort(),
    many.sort(),
    'a chain of free pieces is walked back',
  );
});

t.test('a full arena says so and goes on working', async (t) => {
  const arena = Arena.create(8192);
  const offset = arena.allocate(4096);
  t.throws(() => arena.allocate(4096), { code: 'internal' });
  arena.free(offset, 4096);
  t.equal(arena.allocate(4096), offset);
});
