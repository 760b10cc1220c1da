// The places that were refused: counted, told apart, and never more than a few.

import t from 'tap';
import { Refusals } from '../../src/overlay/shared/refusals.js';

t.test('a place is counted, and another thread sees it', (t) => {
  const buffer = Refusals.create();
  const one = new Refusals(buffer);
  const place = { kind: 'page', backup: 'TOU5PO', file: '/b/base/1/"ä\n', block: 7 } as const;
  one.note(place);
  one.note(place);
  one.note({ kind: 'raw', backup: 'TOU5PO', file: '/b/PG_VERSION' });
  t.strictSame(new Refusals(buffer).list(), [
    { refusal: place, times: 2 },
    { refusal: { kind: 'raw', backup: 'TOU5PO', file: '/b/PG_VERSION' }, times: 1 },
  ]);
  t.end();
});

t.test('the last sixteen are kept; of a long path its end', (t) => {
  const refusals = new Refusals(Refusals.create());
  for (let block = 0; block < 20; block++) {
    refusals.note({ kind: 'page', backup: 'X', file: `${'\x01/'.repeat(2000)}end`, block });
  }
  const found = refusals.list();
  t.equal(found.length, 16);
  t.strictSame(
    found.map(({ refusal }) => refusal.block).sort((a, b) => a! - b!),
    Array.from({ length: 16 }, (_, i) => i + 4),
  );
  t.ok(found.every(({ refusal }) => refusal.file.endsWith('/end') && refusal.file.length === 300));
  t.end();
});
