// Objects are made whole or not at all, and go only when the record that gave them up is durable.

import assert from 'node:assert';
import fs, { mkdirSync, readdirSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { createCounters } from '../../../src/metrics/counters.js';
import { mapBlocks } from '../../../src/overlay/diff/index.js';
import { diffStorage } from '../../../src/overlay/diff-storage.js';
import { ObjectKeeper } from '../../../src/overlay/namespace/object-keeper.js';
import { DiffBudget } from '../../../src/overlay/shared/diff-budget.js';
import { control, SharedState } from '../../../src/overlay/shared/shared-state.js';
import { scratchDirectory, smallFiles } from '../../support/small-catalog.js';
import { smallDiffs } from '../../support/small-diffs.js';

const root = scratchDirectory();
let made = 0;
const BOOT = '00112233-4455-6677-8899-aabbccddeeff';

function keeper() {
  const directory = `${root}/objects${made++}`;
  mkdirSync(directory);
  const shared = SharedState.create(createCounters(), 64, 1 << 20);
  const budget = new DiffBudget(shared.control);
  const objects = new ObjectKeeper(diffStorage(null), directory, shared, BOOT, budget);
  return { directory, shared, budget, objects };
}

/** Node's call fails with this code until the test ends or `restore` is called. */
function failing(t: Test, name: 'writeSync' | 'fsyncSync', code: string, when: () => boolean = () => true): () => void {
  const original = fs[name] as (...args: unknown[]) => unknown;
  const replace = (call: unknown): void => {
    Object.assign(fs, { [name]: call });
    syncBuiltinESMExports();
  };
  replace((...args: unknown[]) => {
    if (when()) throw Object.assign(new Error(code), { code, syscall: 'write' });
    return original(...args);
  });
  const restore = () => replace(original);
  t.teardown(restore);
  return restore;
}

t.test('only what durable records gave up is removed, the oldest first, and gives its blocks back', async () => {
  const step = fc.record({ sequence: fc.nat(3), blocks: fc.nat(5) });
  const looks = fc.array(fc.record({ synced: fc.nat(30), limit: fc.nat(4) }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 10 }), looks, (steps, looks) => {
      const { directory, budget, objects } = keeper();
      let sequence = 0;
      const waiting = steps.map((one) => {
        sequence += one.sequence;
        const { objectId } = objects.createMapped('base', 8192);
        budget.take(one.blocks);
        objects.removeAfter(objectId, sequence, mapBlocks(8192) + one.blocks);
        return { objectId, sequence, blocks: mapBlocks(8192) + one.blocks };
      });
      const check = (): void => {
        const names = waiting.flatMap(({ objectId }) => [objectId, `${objectId}.map`]).sort();
        const blocks = waiting.reduce((sum, one) => sum + one.blocks, 0);
        assert.deepStrictEqual([readdirSync(directory).sort(), objects.waiting], [names, waiting.length]);
        assert.equal(budget.blocks, blocks);
      };
      for (const { synced, limit } of looks) {
        const first = waiting.findIndex((one) => one.sequence > synced);
        const gone = waiting.splice(0, Math.min(limit, first < 0 ? waiting.length : first));
        assert.equal(objects.removeUpTo(synced, limit), gone.length);
        check();
      }
      objects.close();
    }),
    { numRuns: 30 },
  );
});

t.test('the space of a removed object is free at once, whoever has it open', async (t) => {
  const { directory, objects } = keeper();
  const { objectId } = objects.createMapped('base', 8192);
  const fd = fs.openSync(`${directory}/${objectId}`, 'r+');
  t.teardown(() => fs.closeSync(fd));
  fs.writeSync(fd, Buffer.alloc(100_000, 1));
  fs.fsyncSync(fd);
  objects.removeAfter(objectId, 1, 0);
  objects.removeUpTo(1);
  t.equal(fs.fstatSync(fd).blocks, 0);
});

t.test(
  'an object that could not be made leaves nothing, and the next one is counted for the sync of names',
  async (t) => {
    const { directory, shared, budget, objects } = keeper();
    const inUse = shared.arena.bytesInUse();
    const restore = failing(t, 'writeSync', 'ENOSPC');
    t.throws(() => objects.createMapped('base', 100_000), { code: 'ENOSPC' });
    restore();
    t.strictSame(readdirSync(directory), []);
    t.equal(budget.blocks, 0);
    t.equal(shared.arena.bytesInUse(), inUse);
    const created = Atomics.load(shared.control, control.objectsCreated);
    objects.createMapped('base', 100_000);
    t.equal(Atomics.load(shared.control, control.objectsCreated), created + 1);
  },
);

t.test('after a failed sync of the names of objects none succeeds, in whichever thread', async (t) => {
  const { shared, objects } = keeper();
  objects.sync();
  const restore = failing(t, 'fsyncSync', 'EIO');
  t.throws(() => objects.sync(), { code: 'EIO' });
  restore();
  t.throws(() => objects.sync(), { code: 'diff_sync_failed' });
  t.equal(Atomics.load(shared.control, control.objectsFailed), 1);
});

t.test(
  'their names are not synced while a data thread does the same: the kernel would tell one of two of a failure',
  async (t) => {
    const { shared, objects } = keeper();
    const locked: boolean[] = [];
    const lock = () => Atomics.load(shared.control, control.objectsLock) !== 0;
    failing(t, 'fsyncSync', 'EIO', () => !locked.push(lock()));
    objects.sync();
    t.strictSame(locked, [true]);
    t.notOk(lock());
  },
);

t.test('a first write whose record the journal does not take leaves no object, and can be done later', async (t) => {
  const { newDiff, mount, objects } = smallDiffs();
  const diff = newDiff();
  const direct = mount(diff);
  const file = direct.open('base/1/100');
  const { budget } = direct.overlay;
  const state = () => ({ blocks: budget.blocks, arena: direct.shared.arena.bytesInUse(), objects: objects(diff) });
  const before = state();
  const { size } = statSync(`${diff}/journal`);
  // The map is written first, then the record.
  const restore = failing(t, 'writeSync', 'ENOSPC', () => objects(diff).length === 2 && ++calls > 1);
  let calls = 0;
  t.throws(() => direct.overlay.ensureObject(file.inode.row, file.inode.generation), { code: 'ENOSPC' });
  t.equal(calls, 2);
  restore();
  t.strictSame(state(), before);
  file.write(0, Buffer.alloc(8192, 7));
  t.ok(statSync(`${diff}/journal`).size > size);
  file.close();
  direct.kill();
  const again = mount(diff);
  const wanted = Buffer.from(smallFiles.get('base/1/100')!).fill(7, 0, 8192);
  t.ok(again.readAll('base/1/100').equals(wanted));
  again.close();
});
