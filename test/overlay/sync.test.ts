// What is made durable, when and in which order, and what follows from a sync that failed.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import t, { type Test } from 'tap';
import { rowFlag } from '../../src/overlay/shared/row-layout.js';
import { control } from '../../src/overlay/shared/shared-state.js';
import type { DirectOverlay } from '../support/direct-overlay.js';
import { smallDiffs } from '../support/small-diffs.js';
import { watchSyncs } from '../support/watched-syncs.js';

const { newDiff, mount, objects } = smallDiffs();
const block = Buffer.alloc(8192, 7);

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
