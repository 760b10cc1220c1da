// The journal of a live mount is rewritten when it has grown: nothing is lost by it, and it stays short.

import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import t from 'tap';
import { JournalCompactor } from '../../src/overlay/journal-compactor.js';
import { control } from '../../src/overlay/shared/shared-state.js';
import { DirectOverlay } from '../support/direct-overlay.js';
import { matchWhole } from '../support/match-whole.js';
import { scratchDirectory, smallFiles, writeSmallCatalog } from '../support/small-catalog.js';

const root = scratchDirectory();
const catalog = writeSmallCatalog(`${root}/catalog`);
let diffs = 0;
const newDiff = () => `${root}/diff${diffs++}`;
const COMPACT_FROM = 10_000;
const mount = (diff: string, afterPowerLoss = false) =>
  new DirectOverlay({ catalog, diff, afterPowerLoss, compactJournalFrom: COMPACT_FROM });
const journalSize = (diff: string) => statSync(`${diff}/journal`).size;
const block = Buffer.alloc(8192, 7);

function makeAndRemove(direct: DirectOverlay, count: number): void {
  for (let i = 0; i < count; i++) {
    direct.create(`base/temporary${i}`).close();
    direct.unlink(`base/temporary${i}`);
    // As the namespace thread does after each request.
    direct.overlay.compactJournal();
  }
}

t.test('temporary files leave the journal short, and everything else as it was', async (t) => {
  for (const end of ['clean', 'kill', 'power loss'] as const) {
    const diff = newDiff();
    const direct = mount(diff);
    direct.create('base/new').close();
    direct.write('base/new', 0, block);
    direct.fsync('base/new');
    direct.write('base/1/100', 8192, block);
    direct.fsync('base/1/100');
    direct.unlink('base/1/101');
    direct.rename('base/2', 'base/3');
    direct.create('base/open').close();
    const open = direct.open('base/open');
    direct.unlink('base/open');
    open.write(0, block);
    makeAndRemove(direct, 1000);
    t.ok(journalSize(diff) < 2 * COMPACT_FROM, `${journalSize(diff)} bytes`);
    t.ok(open.read(0, 8192).equals(block), 'an unlinked open file lives on');
    open.close();
    if (end === 'clean') direct.close();
    else direct.kill();
    const after = mount(diff, end === 'power loss');
    t.ok(after.readAll('base/new').equals(block), end);
    t.ok(after.read('base/1/100', 8192, 8192).equals(block));
    t.ok(after.read('base/1/100', 0, 8192).equals(smallFiles.get('base/1/100')!.subarray(0, 8192)));
    t.notOk(after.exists('base/1/101'));
    t.notOk(after.exists('base/2'));
    t.ok(after.readAll('base/3/200').equals(smallFiles.get('base/2/200')!));
    t.notOk(after.exists('base/temporary999'));
    after.close();
  }
});

t.test(
  'a journal that cannot be rewritten goes on growing, and is rewritten when that is possible again',
  async (t) => {
    const diff = newDiff();
    const direct = mount(diff);
    // In the way of the new journal.
    mkdirSync(`${diff}/journal.new`);
    makeAndRemove(direct, 100);
    t.ok(journalSize(diff) > COMPACT_FROM);
    t.ok(direct.warnings.length > 0 && direct.warnings.length < 5, `${direct.warnings.length} warnings`);
    for (const said of direct.warnings) t.match(said, /journal could not be shortened .*EEXIST/);
    rmdirSync(`${diff}/journal.new`);
    makeAndRemove(direct, 200);
    t.ok(journalSize(diff) < 2 * COMPACT_FROM, `${journalSize(diff)} bytes`);
    direct.close();
    const again = mount(diff);
    t.notOk(again.exists('base/temporary1'));
    again.close();
  },
);

const { journalAppended, journalSynced, journalFailed, objectsFailed, journalLock } = control;

/** A compactor over a journal that only says what is done to it; `rewrite` is what rewriting it does. */
function faked(rewrite: (journal: { size: number; appended: number; isNameDurable: boolean }) => void) {
  const words = new Int32Array(new SharedArrayBuffer(4096));
  const said: string[] = [];
  const journal = {
    size: 100,
    appended: 7,
    isNameDurable: true,
    rewrite: () => {
      said.push(`rewrite, ${words[journalLock] === 0 ? 'not locked' : 'locked'}`);
      rewrite(journal);
    },
  };
  const compactor = new JournalCompactor({
    ...{ journal, words, compactFrom: 1000, snapshot: () => [], warn: (message: string) => void said.push(message) },
    syncObjects: () => void said.push('objects'),
  });
  const run = (size: number): string[] => {
    journal.size = size;
    said.length = 0;
    compactor.runIfDue();
    return [...said];
  };
  return { words, journal, run };
}

t.test('objects have durable names before records that mention them, and nobody syncs meanwhile', async (t) => {
  const { words, run } = faked((journal) => {
    journal.size = 200;
    journal.appended = 20;
  });
  t.strictSame(run(999), [], 'not before it is due');
  t.strictSame(run(1000), ['objects', 'rewrite, locked']);
  t.strictSame([words[journalAppended], words[journalSynced], words[journalLock]], [20, 20, 0]);
});

t.test('a new journal whose name may not be durable makes every sync fail from now on', async (t) => {
  const { words, run } = faked((journal) => {
    journal.appended = 20;
    journal.isNameDurable = false;
    throw new Error('EIO');
  });
  matchWhole(t, run(1000), ['objects', 'rewrite, locked', /could not be shortened \(EIO\)/]);
  const state = [journalAppended, journalSynced, journalFailed, journalLock].map((at) => words[at]);
  t.strictSame(state, [20, 0, 1, 0]);
  t.strictSame(run(10_000), [], 'and a rewrite does not make that good');
});

t.test('a journal that could not be replaced is as good as before', async (t) => {
  const { words, run } = faked(() => {
    throw new Error('ENOSPC');
  });
  t.equal(run(1000).length, 3);
  t.equal(words[journalFailed], 0);
  t.strictSame(run(1999), [], 'tried again when it is twice as long');
  t.equal(run(2000).length, 3);
});

t.test('after a failed sync, of the journal or of names of objects, nothing is rewritten', async (t) => {
  for (const at of [journalFailed, objectsFailed]) {
    const { words, run } = faked(() => undefined);
    words[at] = 1;
    t.strictSame(run(1000), []);
  }
});
