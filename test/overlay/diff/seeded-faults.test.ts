// The model check must be able to fail: storages that break one promise each, and the counterexample it finds.

import t from 'tap';
import type { DiffStorage } from '../../../src/overlay/diff/index.js';
import { core } from './alphabet.js';
import { allMapCuts, allObjectCuts, explore } from './explorer.js';
import type { SimulatedDisk } from './simulated-disk.js';
import type { Wrap } from './world.js';

// tap gives a file 30 s; a busy machine may need more.
/** The disk with some methods replaced. */
function override(disk: SimulatedDisk, replaced: Partial<DiffStorage>): DiffStorage {
  return new Proxy<DiffStorage>(disk, {
    get(target, name: keyof DiffStorage) {
      const method = replaced[name] ?? target[name];
      return (method as (...args: unknown[]) => unknown).bind(target);
    },
  });
}

const isMap = (disk: SimulatedDisk, fd: number): boolean => disk.pathOf(fd).endsWith('.map');

const faults: Record<string, Wrap> = {
  'fdatasync of the map does nothing': (disk) =>
    override(disk, { fdatasync: (fd) => (isMap(disk, fd) ? undefined : disk.fdatasync(fd)) }),
  'fdatasync of the object does nothing': (disk) =>
    override(disk, { fdatasync: (fd) => (isMap(disk, fd) ? disk.fdatasync(fd) : undefined) }),
  'fsync of the directory does nothing': (disk) => override(disk, { fsyncDir: () => undefined }),
  'small writes to the map are lost': (disk) =>
    override(disk, {
      pwrite: (fd, buffer, offset, length, position) =>
        isMap(disk, fd) && length <= 8 ? length : disk.pwrite(fd, buffer, offset, length, position),
    }),
  'a truncate does not cut the object': (disk) =>
    override(disk, {
      ftruncate: (fd, length) => (length < disk.size(fd) ? undefined : disk.ftruncate(fd, length)),
    }),
  'bits reach the map before the data reaches the object': (disk) => {
    let late: (() => void) | undefined;
    return override(disk, {
      pwrite: (fd, buffer, offset, length, position) => {
        if (isMap(disk, fd)) {
          disk.pwrite(fd, buffer, offset, length, position);
          late?.();
          late = undefined;
        } else {
          const data = buffer.slice(offset, offset + length);
          late = () => disk.pwrite(fd, data, 0, length, position);
        }
        return length;
      },
    });
  },
};

for (const [name, wrap] of Object.entries(faults)) {
  t.test(`a counterexample is found when ${name}`, async (t) => {
    const result = explore({
      depth: 3,
      crashes: 1,
      mutations: core,
      overlaps: [1],
      inside: true,
      objectCuts: allObjectCuts,
      mapCuts: allMapCuts,
      wrap,
    });
    t.type(result.counterexample, 'string');
    t.comment(result.counterexample);
  });
}
