// Files made on the mount that the kernel writes by itself: what the overlay says of them is what their objects say.

import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { control } from '../../src/overlay/shared/shared-state.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { scratchDirectory, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
const block = Buffer.alloc(8192, 7);
let diffs = 0;
const newDiff = (): string => `${root}/diff${diffs++}`;

function mount(diff: string, { passthrough = true, afterPowerLoss = false } = {}): DirectOverlay {
  return new DirectOverlay({ catalog, diff, passthrough, afterPowerLoss });
}

/** Runs a test on a mount of its own. */
function mounted(name: string, body: (t: Test, direct: DirectOverlay, diff: string) => void): void {
  t.test(name, async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    body(t, direct, diff);
  });
}

mounted('size and times are looked up whenever somebody asks', (t, direct) => {
  const file = direct.create('base/new');
  t.equal(file.stat().size, 0);
  const made = file.stat();
  for (const size of [1, 8192, 20_000]) {
    file.write(size - 1, Buffer.from('x'));
    t.equal(file.stat().size, size);
    t.equal(direct.stat('base/new').size, size, 'by its name');
  }
  const { mtime, mtimeNsec, ctime } = file.stat();
  t.ok(mtime > made.mtime || mtimeNsec > made.mtimeNsec, 'mtime is that of the last write');
  t.ok(ctime >= mtime);
  direct.engine.truncate(file.inode.row, file.inode.generation, 5, false);
  t.equal(file.stat().size, 5, 'after a truncation, which comes to the server');
  direct.engine.allocate(file.inode.row, file.inode.generation, 0, 50_000, {
    ...{ keepSize: false, zero: false, dropSetId: false },
  });
  t.equal(file.stat().size, 50_000, 'after a fallocate');
  file.close();
  t.equal(direct.readAll('base/new').length, 50_000);
  direct.close();
});

mounted('reads that come to the server are counted as those of other files are', (t, direct) => {
  const file = direct.create('base/new');
  file.write(0, Buffer.alloc(20_000, 7));
  const before = direct.counters();
  const out = Buffer.alloc(20_000);
  t.equal(direct.engine.read(file.inode.row, file.inode.generation, 8000, 20_000, out, 0), 12_000);
  t.ok(out.subarray(0, 12_000).equals(Buffer.alloc(12_000, 7)));
  const { bytesRead, blocksFromDiff } = direct.counters();
  t.same([bytesRead - before.bytesRead, blocksFromDiff - before.blocksFromDiff], [12_000, 3]);
  file.close();
  direct.close();
});

mounted('times that somebody has set stay until the next write, and over a remount', (t, direct, diff) => {
  const file = direct.create('base/new');
  file.write(0, block);
  direct.utimens('base/new', { mtime: [1000, 5], atime: [2000, 6] });
  const asSet = () => t.match(direct.stat('base/new'), { mtime: 1000, mtimeNsec: 5, atime: 2000 });
  asSet();
  file.close();
  asSet();
  direct.dropCaches();
  asSet();
  direct.close();
  for (const passthrough of [true, false]) {
    const again = mount(diff, { passthrough });
    t.match(again.stat('base/new'), { mtime: 1000, mtimeNsec: 5 }, 'mounted again');
    again.close();
  }
  const last = mount(diff);
  last.write('base/new', 10, block);
  t.ok(last.stat('base/new').mtime > 1_000_000, 'written again');
  last.close();
});

mounted('all handles of a file have one number, which goes with the last of them', (t, direct) => {
  const { registered, written } = direct.backing;
  const one = direct.create('base/new');
  const two = direct.open('base/new');
  const other = direct.create('base/other');
  t.equal(registered.size, 2);
  t.equal(Atomics.load(direct.shared.control, control.passthroughFiles), 2);
  t.equal(written.size, 2);
  one.close();
  t.equal(registered.size, 2);
  direct.unlink('base/new');
  two.write(0, block);
  t.ok(two.readAll().equals(block), 'of a file without a name, too');
  two.close();
  other.close();
  t.equal(registered.size, 0);
  t.equal(written.size, 0);
  t.equal(Atomics.load(direct.shared.control, control.passthroughFiles), 0);
  direct.close();
});

mounted('files of the backup are none of these', (t, direct) => {
  const file = direct.open('base/1/100');
  t.equal(direct.backing.registered.size, 0);
  t.notOk(direct.overlay.passthrough.takes(file.inode));
  file.close();
  direct.close();
});

mounted('temporary files are written by the kernel, and nobody hurries to write them back', (t, direct) => {
  const file = direct.create('base/pgsql_tmp1.0');
  t.equal(direct.backing.registered.size, 1);
  t.equal(direct.backing.written.size, 0);
  file.close();
  direct.close();
});

mounted('a kernel that does not take a file leaves nothing behind', (t, direct) => {
  direct.create('base/new').close();
  direct.backing.refusal = 'EMFILE';
  t.throws(() => direct.open('base/new'), { code: 'EMFILE' });
  t.equal(Atomics.load(direct.shared.control, control.passthroughFiles), 0);
  direct.backing.refusal = null;
  direct.open('base/new').close();
  direct.close();
});

mounted('every fsync reaches the object, and everything counts as unsynced', (t, direct) => {
  const file = direct.create('base/new');
  file.write(0, block);
  file.fsync();
  const { control: words } = direct.shared;
  t.equal(
    Atomics.load(words, control.objectsSynced),
    Atomics.load(words, control.objectsCreated),
    'its name is synced',
  );
  file.write(8192, block);
  const held = direct.overlay.holdUnsynced(0);
  t.same(held.rows, [[file.inode.row, file.inode.generation]], 'what was written after it is found by a sync of all');
  direct.overlay.forget(file.inode.row, file.inode.generation, 1);
  file.close();
  direct.dropCaches();
  t.equal(direct.overlay.holdUnsynced(0).rows.length, 1, 'also once the kernel has forgotten the file');
  direct.close();
});

for (const [name, passthrough] of [
  ['with it again', true],
  ['without it', false],
] as const) {
  t.test(`what was written before a kill is there, mounted ${name}`, async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    const file = direct.create('base/new');
    file.write(100_000, block);
    direct.create('base/empty').close();
    direct.kill();
    const after = mount(diff, { passthrough });
    t.equal(after.stat('base/new').size, 108_192);
    t.ok(after.read('base/new', 100_000, 8192).equals(block));
    t.equal(after.stat('base/empty').size, 0);
    after.close();
  });
}

mounted('the blocks of the diff are counted as the kernel writes them', (t, direct, diff) => {
  const { budget } = direct.overlay;
  const file = direct.create('base/new');
  file.write(0, Buffer.alloc(10 * 8192));
  t.equal(budget.blocks, 0, 'nobody has looked');
  file.stat();
  t.equal(budget.blocks, 10);
  file.write(10 * 8192, Buffer.alloc(1));
  file.truncate(3 * 8192);
  t.equal(budget.blocks, 3, 'a truncation that nobody saw the growth before');
  file.write(3 * 8192, Buffer.alloc(2 * 8192));
  file.close();
  direct.dropCaches();
  t.equal(budget.blocks, 5, 'forgotten');
  direct.unlink('base/new');
  direct.dropCaches();
  t.equal(budget.blocks, 0, 'removed');
  direct.create('base/other').close();
  direct.write('base/other', 0, Buffer.alloc(8192));
  direct.close();
  const again = mount(diff);
  t.equal(again.overlay.budget.blocks, 1);
  again.close();
});

mounted('an object that somebody took away is an error, and no end of the mount', (t, direct, diff) => {
  const file = direct.create('base/new');
  file.write(0, block);
  const path = `${diff}/objects/${file.inode.objectId}`;
  file.close();
  t.ok(existsSync(path));
  // In its place, so that the overlay can be closed.
  const kept = readFileSync(path);
  direct.overlay.objects.removeUnused(new Set());
  t.throws(() => direct.stat('base/new'), { code: 'diff_damaged' });
  writeFileSync(path, kept);
  utimesSync(path, 5, 5);
  t.equal(direct.stat('base/new').size, 8192);
  direct.close();
});
