// Random operations on the overlay of the small catalog, for fast-check.

import fc from 'fast-check';

const path = fc.constantFrom(
  ...['base/1/100', 'base/1/101', 'base/1/raw', 'base/1/small', 'base/1/empty', 'base/2/200'],
  'pg_wal/000000010000000000000001',
  ...['base/1/new', 'base/2/new', 'base/2/100', 'pg_wal/w', 'base/3/new', 'base/3/100', 'base/2', 'base/3'],
);
const directory = fc.constantFrom('base/1', 'base/2', 'base/3', 'base/5', 'base/5/deep');
/** Positions and lengths: block boundaries, one off them, halves, and anything. */
const size = fc.oneof(
  fc.nat(6).map((blocks) => blocks * 8192),
  fc.nat(11).map((halves) => halves * 4096),
  fc.nat(50_000),
  fc.constantFrom(0, 1, 99, 100, 101, 8191, 8193, 19_999, 20_000, 20_001, 40_959, 40_961),
);
const slot = fc.nat(2);
const fill = fc.integer({ min: 1, max: 255 });

export const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ op: fc.constant('read' as const), path, position: size, length: size }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('write' as const), path, position: size, length: size, fill }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('truncate' as const), path, length: size }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('fallocate' as const),
      path,
      position: size,
      length: size,
      how: fc.constantFrom('extend' as const, 'punch' as const, 'zero' as const, 'keep' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('create' as const), path }) },
  // Files of the mount's own with content: by create and write alone a sequence seldom comes to two of them.
  {
    weight: 8,
    arbitrary: fc.record({ op: fc.constant('make' as const), path, position: size, length: size, fill }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('unlink' as const), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('link' as const), path, to: path }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('rename' as const),
      path: fc.oneof(path, directory),
      to: fc.oneof(path, directory),
      how: fc.constantFrom('replace' as const, 'replace' as const, 'noreplace' as const, 'exchange' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('mkdir' as const), path: directory }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rmdir' as const), path: directory }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('fsync' as const), path }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('open' as const), path, slot }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('writeOpen' as const), slot, position: size, length: size, fill }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('truncateOpen' as const), slot, length: size }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('readOpen' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('fsyncOpen' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('unlinkOpen' as const), slot }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('closeOpen' as const), slot }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cache' as const), keep: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('compare' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('remount' as const), forgets: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('kill' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('powerLoss' as const) }) },
);
export type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
