// The journal of a live mount is rewritten when it has grown: nothing is lost by it, and it stays short.

import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import t from 'tap';
import { DirectOverlay } from '../support/direct-overlay.js';
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
