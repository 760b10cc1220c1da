// The rules of a barrier, seen from one thread.

import t from 'tap';
import {
  BARRIER_WORDS,
  completeTicket,
  inTurn,
  pendingMutations,
  takeTicket,
  waitForEarlierMutations,
  waitForTurn,
} from '../../src/pending/barrier.js';

const barrier = () => new Int32Array(new SharedArrayBuffer(BARRIER_WORDS * 4));

t.test('tickets are consecutive and the first has its turn at once', async (t) => {
  const words = barrier();
  const tickets = [takeTicket(words, 0), takeTicket(words, 0), takeTicket(words, 0)];
  t.same(tickets, [0, 1, 2]);
  t.equal(pendingMutations(words, 0), 3);
  for (const ticket of tickets) {
    waitForTurn(words, 0, ticket);
    completeTicket(words, 0, ticket);
  }
  t.equal(pendingMutations(words, 0), 0);
  waitForEarlierMutations(words, 0);
});

t.test('a failing mutation completes its ticket (trap 27)', async (t) => {
  const words = barrier();
  t.throws(
    () =>
      inTurn(words, 0, () => {
        throw new Error('the disk is full');
      }),
    { message: 'the disk is full' },
  );
  t.equal(pendingMutations(words, 0), 0);
  t.equal(
    inTurn(words, 0, () => 'next'),
    'next',
  );
});

t.test('the counters may wrap around', async (t) => {
  for (const start of [0x7fffffff - 3, -4]) {
    const words = barrier();
    words[0] = start;
    words[1] = start;
    for (let i = 0; i < 8; i++) {
      t.equal(pendingMutations(words, 0), 0);
      const first = takeTicket(words, 0);
      const second = takeTicket(words, 0);
      t.equal(pendingMutations(words, 0), 2);
      waitForTurn(words, 0, first);
      completeTicket(words, 0, first);
      waitForTurn(words, 0, second);
      completeTicket(words, 0, second);
      waitForEarlierMutations(words, 0);
    }
  }
});

t.test('barriers of one table do not touch each other', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(BARRIER_WORDS * 3 * 4));
  takeTicket(words, BARRIER_WORDS);
  t.equal(pendingMutations(words, 0), 0);
  t.equal(pendingMutations(words, BARRIER_WORDS), 1);
  t.equal(pendingMutations(words, 2 * BARRIER_WORDS), 0);
  waitForEarlierMutations(words, 0);
  waitForEarlierMutations(words, 2 * BARRIER_WORDS);
});
