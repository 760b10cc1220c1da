// The allocator of shared memory: pieces are zeroed, apart from each other, and used again.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
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

t.test('an arena that cannot be reserved is one clear error', async (t) => {
  const { message } = t.throws(() => Arena.create(2 ** 52), { code: 'no_memory' }) as Error;
  t.equal(message, 'no memory for the block indexes: 4294967296 MiB of address space');
});

t.test('a full arena says so and goes on working', async (t) => {
  const arena = Arena.create(8192);
  const offset = arena.allocate(4096);
  t.throws(() => arena.allocate(4096), { code: 'no_memory' });
  arena.free(offset, 4096);
  t.equal(arena.allocate(4096), offset);
});

t.test('memory is asked for as it is handed out, and every thread sees it', async (t) => {
  const committed = (): number =>
    Number(/^VmData:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))![1]) << 10;
  const before = committed();
  const arena = Arena.create(2 ** 32);
  t.ok(committed() - before < 64 << 20, `${(committed() - before) >> 20} MiB`);
  const { buffer } = arena;
  const other = new Worker(
    `const { parentPort, workerData: buffer } = require('node:worker_threads');
    parentPort.on('message', ({ at, count }) => {
      const bytes = new Uint8Array(buffer, at, count);
      const zeroed = bytes.every((byte) => byte === 0);
      parentPort.postMessage({ zeroed, length: buffer.byteLength });
      bytes.fill(7);
    });`,
    { eval: true, workerData: buffer },
  );
  t.teardown(() => other.terminate());
  // Each is larger than all before.
  for (const count of [1 << 20, 4 << 20, 16 << 20]) {
    const at = arena.allocate(count);
    other.postMessage({ at, count });
    const [answer] = await once(other, 'message');
    t.same(answer, { zeroed: true, length: buffer.byteLength });
    t.ok(buffer.byteLength >= at + count && buffer.byteLength < at + count + (8 << 20), `${buffer.byteLength} bytes`);
    t.equal(arena.bytesInUse() % 64, 0);
  }
});
