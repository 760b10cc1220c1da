// Lookups of virtual files wait for the control thread, but not for ever.

import { performance } from 'node:perf_hooks';
import t from 'tap';
import { VirtualLookups, type WaitingLookup } from '../../src/fs/virtual-lookups.js';

function waiting(device: number, arrived = performance.now()): WaitingLookup {
  return { name: 'stat', row: 2, uniqueLow: device, uniqueHigh: 0, device, arrived };
}

function setUp() {
  const asked: number[] = [];
  const answered: [device: number, content: string | null][] = [];
  const lookups = new VirtualLookups({
    ask: (lookup) => void asked.push(lookup),
    answer: ({ device }, content) => void answered.push([device, content === null ? null : String(content)]),
  });
  return { asked, answered, lookups };
}

t.test('each is answered once, in whatever order the contents come', async (t) => {
  const { asked, answered, lookups } = setUp();
  lookups.begin(waiting(7));
  lookups.begin(waiting(8));
  t.equal(lookups.waiting, 2);
  lookups.end({ lookup: asked[1]!, content: Buffer.from('second') });
  lookups.end({ lookup: asked[0]!, content: null });
  lookups.end({ lookup: asked[0]!, content: Buffer.from('again') });
  t.strictSame(answered, [
    [8, 'second'],
    [7, null],
  ]);
  t.equal(lookups.waiting, 0);
});

t.test('what has waited too long fails, and content that comes later is dropped', async (t) => {
  const { asked, answered, lookups } = setUp();
  const now = performance.now();
  lookups.begin(waiting(7, now - 11_000));
  lookups.begin(waiting(8, now));
  lookups.expire(now);
  t.strictSame(answered, [[7, null]]);
  lookups.end({ lookup: asked[0]!, content: Buffer.from('late') });
  t.equal(answered.length, 1);
  t.equal(lookups.waiting, 1);
});
