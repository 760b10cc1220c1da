// What a mount makes of a diff whose last mount did not end cleanly.

import fs, { rmSync, statSync, truncateSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import t, { type Test } from 'tap';
import type { DataEngine } from '../../src/overlay/data/data-engine.js';
import type { Inode } from '../../src/overlay/namespace/inode.js';
import { rowFlag } from '../../src/overlay/shared/file-table.js';
import { control } from '../../src/overlay/shared/shared-state.js';
import type { DirectOverlay } from '../support/direct-overlay.js';
import { smallFiles } from '../support/small-catalog.js';
import { smallDiffs } from '../support/small-diffs.js';
import { watchSyncs } from '../support/watched-syncs.js';

const { newDiff, mount, objects } = smallDiffs();
const block = Buffer.alloc(8192, 7);

t.test('an object that was never synced may be gone after a power loss: the backup is served', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.kill();
  // The record reached the disk by the kernel's own write-back, the directory of objects did not.
  for (const name of objects(diff)) rmSync(`${diff}/objects/${name}`);
  t.throws(() => mount(diff), { code: 'diff_damaged' }, 'without a power loss it is damage');
  const after = mount(diff, true);
  t.ok(after.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  t.ok(
    after.warnings.some((line) => line.includes('base/1/100')),
    'and the log says what was lost',
  );
  after.write('base/1/100', 0, block);
  after.close();
});

t.test('a new file whose object did not reach the disk is an empty file after a power loss', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.create('base/new').write(0, block);
  direct.kill();
  t.equal(objects(diff).length, 1);
  for (const name of objects(diff)) rmSync(`${diff}/objects/${name}`);
  const after = mount(diff, true);
  t.equal(after.stat('base/new').size, 0);
  after.write('base/new', 0, block);
  t.ok(after.readAll('base/new').equals(block));
  after.close();
});

t.test('what was synced is there after a power loss, what was not may be the old content', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.fsync('base/1/100');
  direct.truncate('base/1/101', 0);
  direct.kill();
  const after = mount(diff, true);
  t.ok(after.read('base/1/100', 0, 8192).equals(block));
  t.ok(after.readAll('base/1/101').equals(smallFiles.get('base/1/101')!));
  after.close();
});

t.test('after a kill files have the time of their last write, whatever came after it', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const times = { atime: [1000, 0], mtime: [2000, 5] } as const;
  direct.create('base/new').close();
  direct.utimens('base/1/100', times);
  direct.utimens('base/new', times);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = Date.now() - 10;
  for (const path of ['base/1/100', 'base/1/101', 'base/new']) direct.write(path, 0, block);
  await new Promise((resolve) => setTimeout(resolve, 20));
  direct.chmod('base/new', 0o640);
  direct.chmod('base/1/101', 0o640);
  direct.write('base/1/raw', 0, Buffer.from('x'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  direct.utimens('base/1/raw', times);
  const after = Date.now();
  direct.kill();
  const again = mount(diff);
  for (const path of ['base/1/100', 'base/1/101', 'base/new']) {
    const { mtime, mtimeNsec, ctime, ctimeNsec } = again.stat(path);
    const written = mtime * 1000 + mtimeNsec / 1e6;
    t.ok(written >= before && written <= after, `${path}: ${before} <= ${written} <= ${after}`);
    t.ok(ctime * 1000 + ctimeNsec / 1e6 >= written - 1, `${path}: ctime is no earlier`);
  }
  t.match(again.stat('base/1/raw'), { mtime: 2000, mtimeNsec: 5 }, 'a time that was set after the last write stays');
  again.close();
});

t.test('set-id bits that a change by somebody unprivileged has taken away do not come back after a kill', async (t) => {
  const how = { keepSize: false, zero: false };
  type Change = (engine: DataEngine, inode: Inode, dropSetId: boolean) => void;
  const changes: Record<string, Change> = {
    write: (engine, { row, generation }, drop) => engine.write(row, generation, block, 0, 100, 0, drop),
    truncate: (engine, { row, generation }, drop) => engine.truncate(row, generation, 9000, drop),
    allocate: (engine, { row, generation }, dropSetId) =>
      engine.allocate(row, generation, 0, 90_000, { ...how, dropSetId }),
  };
  for (const [name, change] of Object.entries(changes)) {
    const diff = newDiff();
    const direct = mount(diff);
    const [lost, kept] = [
      ['base/1/100', 'base/new'],
      ['base/1/101', 'base/kept'],
    ];
    for (const path of ['base/new', 'base/kept']) direct.create(path).close();
    for (const path of [...lost, ...kept]) {
      direct.chmod(path, 0o6755);
      change(direct.engine, direct.open(path).inode, lost.includes(path));
    }
    const check = (mounted: typeof direct, when: string): void => {
      for (const path of lost) t.equal(mounted.stat(path).mode & 0o7777, 0o755, `${name} ${path} ${when}`);
      for (const path of kept) t.equal(mounted.stat(path).mode & 0o7777, 0o6755, `${name} ${path} ${when}`);
    };
    check(direct, 'at once');
    direct.kill();
    const again = mount(diff);
    check(again, 'after a kill');
    again.close();
  }
});

t.test('objects that no name leads to are removed, at the clean end and after a kill', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const open = direct.create('base/temporary');
  open.write(0, block);
  direct.open('base/1/100').write(0, block);
  direct.unlink('base/temporary');
  direct.unlink('base/1/100');
  t.ok(objects(diff).length > 0);
  // The kernel does not forget before it lets go of the mount.
  direct.engine.close();
  direct.overlay.close();
  t.same(objects(diff), [], 'clean end');
  const second = mount(diff);
  second.create('base/temporary').write(0, block);
  second.unlink('base/temporary');
  second.kill();
  mount(diff).close();
  t.same(objects(diff), [], 'after a kill');
});

t.test('a mapped object without any write is durable after a clean end', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const open = direct.open('base/1/100');
  direct.overlay.ensureObject(open.inode.row, open.inode.generation);
  direct.close();
  const after = mount(diff, true);
  t.ok(after.readAll('base/1/100').equals(smallFiles.get('base/1/100')!));
  after.write('base/1/100', 0, block);
  t.ok(after.read('base/1/100', 0, 8192).equals(block));
  after.close();
});

t.test('a change that ends after a sync began is still owed', async (t) => {
  const direct = mount(newDiff());
  const open = direct.create('base/new');
  open.write(0, block);
  const { row } = open.inode;
  const { table } = direct.shared;
  // The sync of another thread takes the flag in the middle of this write.
  const { touchData } = table;
  table.touchData = (...values) => {
    table.takeFlag(row, rowFlag.dirtyData);
    return touchData.apply(table, values);
  };
  open.write(8192, block);
  t.ok(table.hasFlag(row, rowFlag.dirtyData), 'the next sync has something to do');
  table.touchData = touchData;
  direct.close();
});

/** Files that nobody has synced: with an object that holds data, and one that holds none yet. */
const unsynced: Record<string, (direct: DirectOverlay) => void> = {
  'made here': (direct) => void direct.create('base/new').write(0, block),
  'of the backup': (direct) => {
    direct.write('base/1/100', 0, block);
    const { row, generation } = direct.open('base/1/101').inode;
    direct.overlay.ensureObject(row, generation);
  },
};

for (const [kind, change] of Object.entries(unsynced)) {
  t.test(`what a kill left unsynced is made durable before anybody is served: files ${kind}`, async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    change(direct);
    direct.kill();
    const { done } = watchSyncs(t);
    const after = mount(diff);
    const renamed = done.indexOf('journal.new');
    for (const name of [...objects(diff), 'objects']) {
      const at = done.indexOf(name);
      t.ok(at >= 0 && at < renamed, `${name} before records that mention it`);
    }
    t.equal(done.at(-1), 'journal', 'last that the mount began, and in which boot');
    after.close();
  });

  t.test(
    `a clean end makes durable what nobody has synced, and says then that it was one: files ${kind}`,
    async (t) => {
      const diff = newDiff();
      const direct = mount(diff);
      change(direct);
      direct.engine.close();
      const { done } = watchSyncs(t);
      direct.overlay.close();
      const end = done.indexOf('journal.new');
      for (const name of [...objects(diff), 'objects']) {
        const at = done.indexOf(name);
        t.ok(at >= 0 && at < end, name);
      }
      mount(diff).close();
    },
  );
}

t.test('an object that is shorter than at the clean end, or gone, is refused', async (t) => {
  const files = { 'base/new': 20_000, 'base/1/100': 5 * 8192 };
  for (const [path, size] of Object.entries(files)) {
    for (const left of [size - 1, 0, undefined]) {
      const diff = newDiff();
      const direct = mount(diff);
      if (path === 'base/new') direct.create(path).close();
      direct.write(path, size - 8192, block);
      direct.close();
      const name = objects(diff).find((object) => !object.endsWith('.map'))!;
      if (left === undefined) rmSync(`${diff}/objects/${name}`);
      else truncateSync(`${diff}/objects/${name}`, left);
      t.throws(() => mount(diff), { code: 'diff_damaged' }, `${path}: ${left ?? 'none'} of ${size} bytes`);
    }
  }
});

t.test('a failed sync of names is not followed by one that succeeds', async (t) => {
  const direct = mount(newDiff());
  const { control: words } = direct.shared;
  const fd = Atomics.load(words, control.journalFd);
  direct.mkdir('base/new');
  Atomics.store(words, control.journalFd, -1);
  t.throws(() => direct.fsyncdir('base'));
  Atomics.store(words, control.journalFd, fd);
  t.throws(() => direct.fsyncdir('base'), { code: 'diff_sync_failed' });
  direct.kill();
});

/** What is renamed and removed from now on, in order, by the last part of the names. */
function watchNames(t: Test): string[] {
  const said: string[] = [];
  const { renameSync, unlinkSync } = fs;
  fs.renameSync = (from, to) => {
    said.push(`rename ${basename(String(from))}`);
    renameSync(from, to);
  };
  fs.unlinkSync = (path) => {
    said.push(`remove ${basename(String(path))}`);
    unlinkSync(path);
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { renameSync, unlinkSync });
    syncBuiltinESMExports();
  });
  return said;
}

t.test('a failed sync of names counts at the end: no object goes before the journal was written anew', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const { control: words } = direct.shared;
  direct.create('base/new').write(0, block);
  direct.syncAll();
  const [object] = objects(diff);
  direct.unlink('base/new');
  const fd = Atomics.load(words, control.journalFd);
  Atomics.store(words, control.journalFd, -1);
  t.throws(() => direct.fsyncdir('base'));
  Atomics.store(words, control.journalFd, fd);
  direct.engine.close();
  const said = watchNames(t);
  direct.overlay.close();
  t.strictSame(
    said.filter((line) => line === 'rename journal.new' || line === `remove ${object}`),
    ['rename journal.new', `remove ${object}`],
  );
  mount(diff).close();
  t.same(objects(diff), []);
});

t.test('after a failed sync of the names of objects an end is no clean one', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const { control: words } = direct.shared;
  direct.create('base/new').write(0, block);
  const fd = Atomics.load(words, control.objectsFd);
  Atomics.store(words, control.objectsFd, -1);
  t.throws(() => direct.fsync('base/new'));
  Atomics.store(words, control.objectsFd, fd);
  direct.engine.close();
  t.throws(() => direct.overlay.close(), { code: 'diff_sync_failed', hint: /check the storage/ });
  const after = mount(diff);
  t.ok(after.readAll('base/new').equals(block), 'and nothing is lost');
  after.close();
});

t.test('a torn tail of the journal is cut, and what came before it counts', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.mkdir('base/kept');
  const size = statSync(`${diff}/journal`).size;
  direct.mkdir('base/torn');
  direct.kill();
  truncateSync(`${diff}/journal`, size + 5);
  const after = mount(diff);
  t.ok(after.exists('base/kept'));
  t.notOk(after.exists('base/torn'));
  after.close();
});

t.test('a diff that was made on another backup is refused', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  direct.write('base/1/100', 0, block);
  direct.close();
  const { overlay } = mount(newDiff());
  t.ok(overlay);
  const older = overlay.namespace.tree;
  t.throws(
    () =>
      older.apply({
        time: 1,
        changes: [
          ['node', 99, { mode: 0o100600, uid: 0, gid: 0, atime: [0, 0], mtime: [0, 0], ctime: [0, 0], base: 'none' }],
        ],
      }),
    { code: 'diff_foreign' },
  );
});

t.test('a sync of everything ends although somebody goes on making files', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const { overlay } = direct;
  let made = 0;
  const make = (count: number): void => {
    for (const end = made + count; made < end; made++) {
      direct.create(`base/1/new${made}`).close();
      direct.write(`base/1/new${made}`, 0, Buffer.from(`content ${made}`));
    }
  };
  make(300);
  const hold = overlay.holdUnsynced.bind(overlay);
  let asked = 0;
  overlay.holdUnsynced = (after) => {
    const held = hold(after);
    if (++asked > 10) throw new Error('it goes on and on');
    make(300);
    return held;
  };
  direct.syncAll();
  direct.kill();
  const after = mount(diff, true);
  t.equal(after.readAll('base/1/new299').toString(), 'content 299', 'what was there before');
  after.close();
});

t.test('after a sync of everything nothing is lost by a power cut, whoever knows the files', async (t) => {
  const diff = newDiff();
  const direct = mount(diff);
  const { table } = direct.shared;
  for (let file = 0; file < 300; file++) direct.create(`base/1/new${file}`).close();
  for (let file = 0; file < 300; file++) direct.write(`base/1/new${file}`, 0, Buffer.from(`content ${file}`));
  const open = direct.open('base/1/100');
  open.write(8192, block);
  direct.write('base/1/raw', 3, Buffer.from('changed'));
  direct.truncate('base/1/101', 5000);
  direct.create('base/1/unlinked').close();
  direct.write('base/1/unlinked', 0, block);
  const unlinked = direct.open('base/1/unlinked');
  direct.unlink('base/1/unlinked');
  direct.syncAll();
  t.notOk(table.hasFlag(open.inode.row, rowFlag.dirtyData), 'a file that is open');
  const held = direct.overlay.holdUnsynced(0);
  t.strictSame(held.rows, [], 'and all that are not');
  unlinked.close();
  open.close();
  t.equal(direct.overlay.namespace.rows.live, 1, 'no reference is left but that of the root');
  direct.kill();
  const after = mount(diff, true);
  t.strictSame(after.warnings, []);
  t.equal(after.readAll('base/1/new299').toString(), 'content 299');
  t.ok(after.read('base/1/100', 8192, 8192).equals(block));
  t.equal(after.read('base/1/raw', 3, 7).toString(), 'changed');
  t.equal(after.stat('base/1/101').size, 5000);
  t.notOk(after.exists('base/1/unlinked'));
  after.close();
});
