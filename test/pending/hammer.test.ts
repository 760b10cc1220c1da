// Barriers and locks under real threads: order, exclusion, nobody waits for ever or for what came later.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { BARRIER_WORDS, completeTicket, pendingMutations, takeTicket } from '../../src/pending/barrier.js';
import { runCrew } from './crew.js';
import type { Job } from './crew-worker.js';

const shared = (words: number) => new Int32Array(new SharedArrayBuffer(words * 4));

t.test('mutations of an inode run one at a time and in the order of their tickets', async (t) => {
  const threads = 4;
  const rounds = 2500;
  for (const start of [0, 0x7fffffff - 5000]) {
    const words = shared(BARRIER_WORDS);
    words[0] = start;
    words[1] = start;
    const log = shared(3 + threads * rounds);
    const job: Job = { what: 'mutate', words, at: [0], log, rounds, failEvery: 7 };
    const failures = (await runCrew(Array.from({ length: threads }, () => job))) as number[];
    t.equal(log[0], threads * rounds, 'every mutation ran, failing ones too (trap 27)');
    t.equal(log[2], 0, 'never two at once');
    t.ok(failures[0] > 0, 'some of them failed');
    const inOrder = log.subarray(3).every((ticket, i) => ticket === ((start + i) | 0));
    t.ok(inOrder, start === 0 ? 'first come, first served' : 'also when the counters wrap around');
    t.equal(words[2], 0, 'nobody counts as waiting any more');
  }
});

t.test('threads that cross over several barriers in different orders all come to an end', async (t) => {
  const at = [0, 1, 2].map((i) => i * BARRIER_WORDS);
  const words = shared(at.length * BARRIER_WORDS);
  const rounds = 1500;
  const log = shared(at.length * (3 + 3 * rounds));
  const jobs = [at, [...at].reverse(), [at[1], at[2], at[0]]].map(
    (order): Job => ({ what: 'mutate', words, at: order, log: shared(log.length), rounds, failEvery: 11 }),
  );
  await runCrew(jobs);
  for (const barrier of at) t.equal(words[barrier], words[barrier + 1], `barrier ${barrier} is idle again`);
});

t.test('a reader sees every mutation that came before it', async (t) => {
  const words = shared(BARRIER_WORDS);
  const rounds = 2000;
  const log = shared(3 + 2 * rounds);
  const mutation: Job = { what: 'mutate', words, at: [0], log, rounds, failEvery: 5 };
  const reader: Job = { what: 'read', words, at: 0, log, rounds };
  const results = await runCrew([mutation, mutation, reader, reader]);
  t.same(results.slice(2), [0, 0], 'no reader was let through early');
});

t.test('a reader that came first is not held up by a later mutation, however long that takes', async (t) => {
  const words = shared(BARRIER_WORDS);
  const earlier = takeTicket(words, 0);
  const reader = runCrew([{ what: 'wait', words, at: 0 }]);
  while (Atomics.load(words, 2) === 0) await sleep(5);
  const later = takeTicket(words, 0);
  t.equal(await Promise.race([reader.then(() => 'done'), sleep(300)]), undefined, 'it waits for the earlier one');
  completeTicket(words, 0, earlier);
  await reader;
  t.equal(pendingMutations(words, 0), 1, 'it ended while the later mutation was still under way');
  completeTicket(words, 0, later);
});

t.test('a reader waits for an earlier mutation, and only as long as that takes', async (t) => {
  const words = shared(BARRIER_WORDS);
  const taken = shared(1);
  const [, waited] = (await runCrew([
    { what: 'hold', words, at: 0, ms: 1500, taken },
    { what: 'readWhileHeld', words, at: 0, taken },
  ])) as [unknown, number];
  // The reader may have started late, and been woken late, on a busy machine.
  t.ok(waited > 300 && waited < 15_000, `waited ${waited} ms`);
});

t.test('a slow inode does not hold up another one (trap 27)', async (t) => {
  const words = shared(2 * BARRIER_WORDS);
  const taken = shared(1);
  const [, waited] = (await runCrew([
    { what: 'hold', words, at: 0, ms: 4000, taken },
    { what: 'readWhileHeld', words, at: BARRIER_WORDS, taken },
  ])) as [unknown, number];
  t.ok(waited < 2000, `waited ${waited} ms`);
});

t.test('a lock lets one thread in at a time', async (t) => {
  const words = shared(1);
  const log = shared(2);
  const rounds = 20_000;
  await runCrew(Array.from({ length: 4 }, (): Job => ({ what: 'lock', words, log, rounds })));
  t.equal(log[0], 4 * rounds);
  t.equal(words[0], 0, 'and is free at the end');
});
