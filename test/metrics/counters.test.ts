// Counters of several threads in one memory: summed up, each thread in a stripe of its own.

import t from 'tap';
import {
  Counters,
  counter,
  createCounters,
  operation,
  pendingOperations,
  sumCounters,
  sumTimes,
} from '../../src/metrics/counters.js';
import { counterNames, operations } from '../../src/metrics/definitions.js';

t.test('threads add up', async (t) => {
  const buffer = createCounters();
  const threads = [0, 1, 24, 63].map((thread) => new Counters(buffer, thread));
  for (const thread of threads) {
    for (const [i, name] of counterNames.entries()) thread.add(counter[name], i + 1);
    for (const [i, op] of operations.entries()) for (let n = 0; n <= i; n++) thread.answered(operation[op], 2 * i);
  }
  const sums = sumCounters(buffer);
  for (const [i, name] of counterNames.entries()) t.equal(sums[name], 4 * (i + 1), name);
  for (const [i, op] of operations.entries()) {
    t.equal(sums[op], 4 * (i + 1), op);
    const { count, sumSeconds, buckets } = sumTimes(buffer).get(op)!;
    t.equal(count, 4 * (i + 1));
    t.equal(Math.round(sumSeconds * 1e6), Math.round(count * 2 * i * 1000));
    t.equal(buckets.filter((n) => n > 0).length, 1);
  }
});

t.test('what has arrived and is not answered is pending, whoever answers it', async (t) => {
  const buffer = createCounters();
  const [namespace, data] = [new Counters(buffer, 0), new Counters(buffer, 1)];
  t.equal(pendingOperations(buffer), 0);
  data.received();
  data.received();
  t.equal(pendingOperations(buffer), 2);
  namespace.answered(operation.lookup, 1);
  data.answered(operation.read, 1);
  t.equal(pendingOperations(buffer), 0);
});
