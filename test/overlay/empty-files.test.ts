// Files made on the mount that nobody has written to: a record of the journal, and no object.

import { rmSync } from 'node:fs';
import t from 'tap';
import { control } from '../../src/overlay/shared/shared-state.js';
import type { DirectOverlay } from '../support/direct-overlay.js';
import { smallDiffs } from '../support/small-diffs.js';

const { newDiff, mount, objects } = smallDiffs();
const block = Buffer.alloc(8192, 7);

/** Ends a mount, and says whether the host's cache goes with it. */
const ends: Readonly<Record<string, (direct: DirectOverlay) => boolean>> = {
  'a clean end': (direct) => {
    direct.close();
    return false;
  },
  'a kill': (direct) => {
    direct.kill();
    return false;
  },
  'a power loss': (direct) => {
    direct.kill();
    return true;
  },
};

for (const [name, end] of Object.entries(ends)) {
  t.test(`an empty file that was synced is there after ${name}, and can be written then`, async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    direct.create('base/empty').close();
    direct.truncate('base/empty', 0);
    direct.fsync('base/empty');
    const words = direct.shared.control;
    t.equal(Atomics.load(words, control.journalSynced), Atomics.load(words, control.journalAppended));
    t.same(objects(diff), []);
    const after = mount(diff, end(direct));
    t.equal(after.stat('base/empty').size, 0);
    t.equal(after.readAll('base/empty').length, 0);
    after.write('base/empty', 0, block);
    t.equal(objects(diff).length, 1);
    after.fsync('base/empty');
    const again = mount(diff, end(after));
    t.ok(again.readAll('base/empty').equals(block));
    again.unlink('base/empty');
    again.close();
    t.same(objects(diff), []);
  });
}

t.test('the first change of data makes the object, whichever it is, and the sync of names counts it', async (t) => {
  const changes: Readonly<Record<string, (direct: DirectOverlay, path: string) => void>> = {
    write: (direct, path) => void direct.write(path, 100, block),
    truncate: (direct, path) => direct.truncate(path, 5),
    fallocate: (direct, path) => direct.fallocate(path, 0, 8192),
  };
  for (const [name, change] of Object.entries(changes)) {
    const diff = newDiff();
    const direct = mount(diff);
    direct.create('base/new').close();
    const made = () => Atomics.load(direct.shared.control, control.objectsCreated);
    const before = made();
    change(direct, 'base/new');
    t.equal(objects(diff).length, 1, name);
    t.equal(made(), before + 1, name);
    const content = direct.readAll('base/new');
    direct.fsync('base/new');
    t.equal(Atomics.load(direct.shared.control, control.objectsSynced), made(), `${name}: its name is synced`);
    direct.kill();
    const after = mount(diff, true);
    t.ok(after.readAll('base/new').equals(content), name);
    after.close();
  }
});

t.test('an empty file that is removed leaves nothing to remove, one that was written and cut does', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.create('base/empty').close();
  direct.unlink('base/empty');
  t.equal(direct.overlay.pendingRemovals, 0);
  direct.write('base/1/100', 0, block);
  const open = direct.create('base/cut');
  open.write(0, block);
  open.truncate(0);
  open.close();
  direct.unlink('base/cut');
  t.equal(direct.overlay.pendingRemovals, 1);
  direct.dropCaches();
  t.equal(direct.overlay.pendingRemovals, 0);
  t.equal(objects(diff).length, 2, 'object and map of the file of the backup');
  direct.close();
});

t.test('a file that the journal knows with data must have its object', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.create('base/new').write(0, block);
  direct.close();
  const [object] = objects(diff);
  const second = mount(diff);
  second.kill();
  rmSync(`${diff}/objects/${object!}`);
  t.throws(() => mount(diff), { code: 'diff_damaged' }, 'after a kill');
});
