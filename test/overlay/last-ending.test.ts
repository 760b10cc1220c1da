// How the last mount ended, told by records that nobody keeps.

import t from 'tap';
import { EndingWatch } from '../../src/overlay/last-ending.js';
import type { Change, JournalRecord } from '../../src/overlay/namespace/records.js';

const record = (...changes: Change[]): JournalRecord => ({ time: 0, changes });
const opened = (boot: string): JournalRecord => record(['opened', boot]);
const clean = record(['clean']);
const other = record(['unlink', 1, 'name']);

function ending(records: JournalRecord[], afterPowerLoss = false) {
  const watch = new EndingWatch();
  t.strictSame([...watch.pass(records)], records, 'they pass as they are');
  return watch.ending('now', afterPowerLoss);
}

t.test('clean, killed, or without the page cache', async (t) => {
  const killed = { cleanlyClosed: false, cacheWasLost: false };
  const lost = { cleanlyClosed: false, cacheWasLost: true };
  t.match(ending([]), { cleanlyClosed: true });
  t.match(ending([opened('now'), other, clean]), { cleanlyClosed: true });
  t.match(ending([clean, opened('now')]), killed);
  t.match(ending([opened('before'), clean, opened('now'), other]), killed);
  t.match(ending([opened('now'), clean, opened('before'), other]), lost, 'the last beginning counts');
  t.match(ending([opened('now'), other], true), lost);
  t.match(ending([other]), lost, 'nobody knows');
});

t.test('each record is asked for when its turn has come', async (t) => {
  let asked = 0;
  function* records(): IterableIterator<JournalRecord> {
    for (; asked < 3; asked++) yield other;
  }
  let passed = 0;
  for (const _ of new EndingWatch().pass(records())) t.equal(asked, passed++);
});
