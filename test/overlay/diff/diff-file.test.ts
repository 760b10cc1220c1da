// DiffFile on a real file system: what it reads back, what it costs, and what its snapshots promise.

import fs from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { flag } from '../../../src/overlay/diff/block-state.js';
import { type DiffStorage, NodeStorage } from '../../../src/overlay/diff/index.js';
import { baseContent, FileUnderTest } from './file-under-test.js';
import { SimulatedDisk } from './simulated-disk.js';

type Command =
  | { readonly kind: 'write' | 'zero'; readonly at: number; readonly length: number }
  | { readonly kind: 'truncate' | 'extend'; readonly to: number }
  | { readonly kind: 'sync' | 'remount' };

const at = fc.oneof(
  fc.nat(70_000),
  fc.nat(8).map((n) => n * 8192),
  fc.nat(16).map((n) => n * 4096),
);
const length = fc.oneof(fc.integer({ min: 1, max: 40_000 }), fc.constantFrom(4096, 8192, 16_384));
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), at, length }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zero' as const), at, length }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('truncate' as const, 'extend' as const), to: at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('sync' as const, 'remount' as const) }) },
);

/** The file as an array; what a plain file would hold. */
function modelAfter(model: Uint8Array, step: Command, fill: number): Uint8Array {
  const resized = (to: number): Uint8Array => {
    const next = new Uint8Array(to);
    next.set(model.subarray(0, to));
    return next;
  };
  if (step.kind === 'truncate') return resized(step.to);
  if (step.kind === 'extend') return resized(Math.max(model.length, step.to));
  if (step.kind !== 'write' && step.kind !== 'zero') return model;
  const next = resized(step.kind === 'zero' ? model.length : Math.max(model.length, step.at + step.length));
  return next.fill(step.kind === 'zero' ? 0 : fill, step.at, step.at + step.length);
}

function apply(under: FileUnderTest, step: Command, fill: number): void {
  if (step.kind === 'write') under.file.write(new Uint8Array(step.length + 3).fill(fill), 3, step.length, step.at);
  else if (step.kind === 'zero') under.file.zeroRange(step.at, step.at + step.length);
  else if (step.kind === 'truncate') under.file.truncate(step.to);
  else if (step.kind === 'extend') under.file.extend(step.to);
  else if (step.kind === 'sync') under.sync();
  else under.remount();
}

t.test('any sequence of operations reads back like a plain file (traps 15, 16, 17, 18)', async (t) => {
  const directory = t.testdir();
  fc.assert(
    fc.property(fc.nat(60_000), fc.array(command, { maxLength: 25 }), (baseLength, steps) => {
      const under = new FileUnderTest(new NodeStorage(), directory, baseContent(baseLength));
      let model: Uint8Array = under.base.slice();
      steps.forEach((step, i) => {
        apply(under, step, 201 + (i % 50));
        model = modelAfter(model, step, 201 + (i % 50));
        const { size } = fs.fstatSync(under.object.objectFd);
        if (size !== model.length) throw new Error(`object has ${size} bytes, the file ${model.length}`);
        if (Buffer.compare(under.read(), model) !== 0) throw new Error(`differs after ${JSON.stringify(step)}`);
      });
      for (const fd of [under.object.objectFd, under.object.mapFd]) under.storage.close(fd);
    }),
    { numRuns: 150 },
  );
});

/** A file on a simulated disk and a count of what an action costs there. */
function counted(base: Uint8Array): { under: FileUnderTest; costOf: (action: () => void) => number } {
  const disk = new SimulatedDisk();
  const under = new FileUnderTest(disk, 'objects', base);
  const costOf = (action: () => void): number => {
    disk.setFault(undefined);
    action();
    return disk.calls;
  };
  return { under, costOf };
}

const block = new Uint8Array(8192).fill(255);

t.test('a write costs one storage call, one more when it sets bits or lengthens', async (t) => {
  const { under, costOf } = counted(baseContent(5 * 8192));
  t.equal(
    costOf(() => under.file.write(block, 0, 8192, 0)),
    2,
    'first write of a block',
  );
  t.equal(
    costOf(() => under.file.write(block, 0, 8192, 0)),
    1,
    'block is present',
  );
  t.equal(
    costOf(() => under.file.write(block, 0, 100, 77)),
    1,
    'part of a present block',
  );
  t.equal(
    costOf(() => under.file.write(block, 0, 100, 8192 + 77)),
    2,
    'part of a base block',
  );
  t.equal(
    costOf(() => under.file.write(block, 0, 8192, 5 * 8192)),
    2,
    'append',
  );
  t.equal(
    costOf(() => under.file.write(block, 0, 8192, 5 * 8192)),
    1,
    'block beyond the base',
  );
});

t.test('an fsync costs what it has to make durable', async (t) => {
  const { under, costOf } = counted(baseContent(3 * 8192));
  under.file.write(block, 0, 8192, 0);
  t.equal(under.file.needsSync(), true);
  under.sync();
  t.equal(under.file.needsSync(), false);
  t.equal(
    costOf(() => under.sync()),
    0,
    'nothing changed',
  );
  under.file.write(block, 0, 8192, 0);
  t.equal(under.file.needsSync(), true);
  t.equal(
    costOf(() => under.sync()),
    1,
    'data changed: fdatasync of the object alone',
  );
});

t.test('syncing an older snapshot after a newer one takes nothing back', async (t) => {
  const disk = new SimulatedDisk();
  const under = new FileUnderTest(disk, 'objects', baseContent(2 * 8192));
  const older = under.file.snapshot();
  under.file.write(block, 0, 8192, 0);
  const newer = under.file.snapshot();
  under.file.sync(newer);
  under.file.sync(older);
  disk.powerCut(() => 'lost', false);
  t.equal(under.remount({ bootId: '99999999-2222-4333-8444-555555555555' }), 'loaded');
  t.equal(under.read()[0], 255);
});

t.test('another thread’s view sees mutations, and goes on where the first one was', async (t) => {
  const under = new FileUnderTest(new SimulatedDisk(), 'objects', baseContent(3 * 8192));
  const other = under.view();
  under.file.write(block, 0, 8192, 8192);
  under.file.truncate(20_000);
  t.same([other.length(), other.baseLimit(), other.isPresent(0), other.isPresent(1)], [20_000, 20_000, false, true]);
  other.extend(30_000);
  t.equal(under.file.length(), 30_000);
  t.equal(under.state.countPresent(), 2, 'the written block, and the one cut in its middle');
});

t.test('runs of blocks end where the side changes', async (t) => {
  const under = new FileUnderTest(new SimulatedDisk(), 'objects', baseContent(6 * 8192));
  under.file.write(block, 0, 8192, 2 * 8192);
  under.file.write(block, 0, 8192, 3 * 8192);
  t.same(under.file.runOf(0, 10), { present: false, count: 2 });
  t.same(under.file.runOf(0, 1), { present: false, count: 1 });
  t.same(under.file.runOf(2, 10), { present: true, count: 2 });
  t.same(under.file.runOf(4, 10), { present: false, count: 2 }, 'the object begins at the end of the base');
  t.same(under.file.runOf(6, 10), { present: true, count: 10 }, 'beyond the base');
});

t.test('a file whose every base block is present can be marked complete, and then lives without its map', async (t) => {
  const { under, costOf } = counted(baseContent(2 * 8192 + 10));
  under.file.write(block, 0, 8192, 0);
  under.file.write(block, 0, 8192, 8192);
  under.file.sync(under.file.snapshot(true));
  t.equal(under.state.has(flag.complete), false, 'the last, partial block is the base’s');
  under.file.write(block, 0, 10, 2 * 8192);
  under.sync();
  under.file.sync(under.file.snapshot(true));
  t.equal(under.state.has(flag.complete), true);
  t.equal(
    costOf(() => under.file.write(block, 0, 8192, 4 * 8192)),
    1,
    'no map to write',
  );
  t.equal(under.remount(), 'loaded');
  t.same([under.state.has(flag.complete), under.file.length()], [true, 5 * 8192]);
  t.equal(under.remount({ afterPowerLoss: true }), 'loaded');
  t.equal(under.file.length(), 5 * 8192, 'the object alone says how long the file is');
  under.file.truncate(5);
  t.equal(under.read().length, 5);
});

t.test('positions and lengths beyond 4 GiB', async (t) => {
  const far = 5 * 2 ** 30 + 4096;
  const under = new FileUnderTest(new NodeStorage(), t.testdir(), baseContent(8192));
  under.file.write(block, 0, 8192, far);
  under.sync();
  t.equal(under.remount(), 'loaded');
  t.equal(under.file.length(), far + 8192);
  t.equal(under.remount({ bootId: '99999999-2222-4333-8444-555555555555' }), 'loaded');
  t.equal(under.file.length(), far + 8192);
  const got = new Uint8Array(1);
  under.storage.pread(under.object.objectFd, got, 0, 1, far + 8191);
  t.equal(got[0], 255);
  under.file.truncate(2 ** 32 + 1);
  t.equal(under.remount(), 'loaded');
  t.equal(under.file.length(), 2 ** 32 + 1);
});

t.test('a base that cannot be read fails the write and changes nothing', async (t) => {
  const under = new FileUnderTest(new SimulatedDisk(), 'objects', baseContent(8192));
  const before = under.read().slice();
  under.base.subarray = () => {
    throw Object.assign(new Error('EIO: page damaged'), { code: 'EIO' });
  };
  t.throws(() => under.file.write(block, 0, 100, 100), { code: 'EIO' });
  t.equal(under.file.isPresent(0), false);
  Reflect.deleteProperty(under.base, 'subarray');
  t.same(under.read(), before);
  under.file.write(block, 0, 100, 100);
  t.equal(under.read()[100], 255);
});

t.test('a write whose storage writes little at a time is whole', async (t) => {
  const real = new NodeStorage();
  const slow: DiffStorage = Object.create(real, {
    pwrite: {
      value: (fd: number, buffer: Uint8Array, offset: number, count: number, position: number) =>
        real.pwrite(fd, buffer, offset, Math.min(count, 1000), position),
    },
  });
  for (const name of [
    'open',
    'pread',
    'ftruncate',
    'allocate',
    'fdatasync',
    'fsyncDir',
    'unlink',
    'size',
    'close',
  ] as const) {
    Object.defineProperty(slow, name, { value: (real[name] as (...args: unknown[]) => unknown).bind(real) });
  }
  const under = new FileUnderTest(slow, t.testdir(), baseContent(3 * 8192));
  under.file.write(new Uint8Array(9000).fill(254), 0, 9000, 5000);
  t.ok(
    under
      .read()
      .subarray(5000, 14_000)
      .every((byte) => byte === 254),
  );
});
