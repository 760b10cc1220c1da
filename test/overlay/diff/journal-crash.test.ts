// The journal's life under kills, power cuts and failures: creation, rewrite, and any mix of everything.

import fc from 'fast-check';
import t from 'tap';
import { Journal } from '../../../src/overlay/diff/index.js';
import { cuts } from './simulated-content.js';
import { killed, SimulatedDisk } from './simulated-disk.js';

const PATH = 'diff/journal';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (records: readonly { payload: Uint8Array }[]): string[] =>
  records.map(({ payload }) => new TextDecoder().decode(payload));
const recordsOf = (disk: SimulatedDisk): string[] => texts(Journal.open(disk, PATH).records);

t.test(
  'a rewrite that dies at any storage call shows the old or the new records, also after a power cut',
  async (t) => {
    const old = ['first', 'second'];
    const outcomes = new Set<string>();
    for (let at = 0; at < 8; at++) {
      const world = new SimulatedDisk();
      const opened = Journal.open(world, PATH).journal;
      for (const text of old) opened.append(bytes(text));
      opened.sync();
      world.setFault({ kind: 'kill', at });
      try {
        opened.rewrite([bytes('whole')]);
        opened.append(bytes('later'));
      } catch (error) {
        if (error !== killed) throw error;
      }
      for (const keepNames of [true, false]) {
        for (const cut of [...cuts, undefined]) {
          const after = world.clone();
          if (cut === undefined) after.kill();
          else after.powerCut(() => cut, keepNames);
          const seen = recordsOf(after).join();
          outcomes.add(seen);
          t.ok(['first,second', 'whole', 'whole,later'].includes(seen), `call ${at}, ${cut}: ${seen}`);
          t.same(after.readdir('diff'), ['journal']);
        }
      }
    }
    t.equal(outcomes.size, 3, 'all three were seen');
  },
);

t.test('a rewrite in which a storage call fails leaves a journal that works', async (t) => {
  for (let at = 0; at < 7; at++) {
    const disk = new SimulatedDisk();
    const { journal } = Journal.open(disk, PATH);
    journal.append(bytes('first'));
    disk.setFault({ kind: 'error', at, code: 'ENOSPC', half: true, lasting: false });
    let failed = false;
    try {
      journal.rewrite([bytes('first')]);
    } catch {
      failed = true;
    }
    disk.setFault(undefined);
    t.equal(failed, at < 6, `call ${at}`);
    journal.append(bytes('second'));
    journal.sync();
    disk.powerCut(() => 'lost', false);
    t.same(recordsOf(disk), ['first', 'second'], `call ${at}`);
  }
});

t.test('a creation that dies at any storage call is no damage', async (t) => {
  for (let at = 0; at < 5; at++) {
    const disk = new SimulatedDisk();
    disk.setFault({ kind: 'kill', at });
    try {
      Journal.open(disk, PATH);
    } catch (error) {
      if (error !== killed) throw error;
    }
    for (const cut of cuts) {
      const after = disk.clone();
      after.powerCut(() => cut, true);
      t.same(recordsOf(after), []);
    }
  }
});

t.test('any mix of appends, syncs, rewrites, kills and power cuts keeps what it must', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), size: fc.nat(5000) }),
    fc.record({ kind: fc.constant('sync' as const) }),
    fc.record({ kind: fc.constant('rewrite' as const) }),
    fc.record({ kind: fc.constant('kill' as const) }),
    fc.record({ kind: fc.constant('cut' as const), cut: fc.constantFrom(...cuts), keepNames: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const disk = new SimulatedDisk();
      let { journal } = Journal.open(disk, PATH);
      let all: string[] = [];
      let durable = 0;
      steps.forEach((action, i) => {
        if (action.kind === 'append') {
          const text = `${i} ${'x'.repeat(action.size)}`;
          journal.append(bytes(text));
          all.push(text);
        } else if (action.kind === 'sync') {
          journal.sync();
          durable = all.length;
        } else if (action.kind === 'rewrite') {
          all = all.filter((_, n) => n % 2 === 0);
          journal.rewrite(all.map(bytes));
          durable = all.length;
        } else {
          if (action.kind === 'kill') disk.kill();
          else disk.powerCut(() => action.cut, action.keepNames);
          const opened = Journal.open(disk, PATH);
          journal = opened.journal;
          const seen = texts(opened.records);
          const least = action.kind === 'kill' ? all.length : durable;
          if (seen.length < least || seen.some((text, n) => text !== all[n])) throw new Error(`step ${i} lost records`);
          all = seen;
          durable = seen.length;
        }
      });
    }),
    { numRuns: 300 },
  );
});
