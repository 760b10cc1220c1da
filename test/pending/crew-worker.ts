// One thread of a hammer test: does its job as soon as all threads of the crew are there.

import { parentPort, workerData } from 'node:worker_threads';
import {
  completeTicket,
  inTurn,
  pendingMutations,
  takeTicket,
  waitForEarlierMutations,
  waitForTurn,
} from '../../src/pending/barrier.js';
import { withLock } from '../../src/pending/mutex.js';

/** `words` holds barriers or locks, `log` what the threads write down; all of it shared. */
export type Job =
  | { what: 'mutate'; words: Int32Array; at: number[]; log: Int32Array; rounds: number; failEvery: number }
  | { what: 'read'; words: Int32Array; at: number; log: Int32Array; rounds: number }
  | { what: 'hold'; words: Int32Array; at: number; ms: number; taken: Int32Array }
  | { what: 'readWhileHeld'; words: Int32Array; at: number; taken: Int32Array }
  | { what: 'wait'; words: Int32Array; at: number }
  | { what: 'lock'; words: Int32Array; log: Int32Array; rounds: number };

const { job, gate, crew } = workerData as { job: Job; gate: Int32Array; crew: number };
if (Atomics.add(gate, 0, 1) + 1 === crew) {
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
} else Atomics.wait(gate, 1, 0);
parentPort!.postMessage(work(job));

/**
 * Per barrier, `log` holds [next free place, running, violations, ticket, ticket, …]: the order in which mutations ran.
 */
function work(job: Job): unknown {
  switch (job.what) {
    case 'mutate':
      return mutate(job);
    case 'read': {
      let violations = 0;
      for (let i = 0; i < job.rounds; i++) {
        const issued = Atomics.load(job.words, job.at);
        waitForEarlierMutations(job.words, job.at);
        // Everything that had a ticket before must have left its mark.
        if (((issued - Atomics.load(job.log, 0)) | 0) > 0) violations++;
      }
      return violations;
    }
    case 'hold': {
      const ticket = takeTicket(job.words, job.at);
      waitForTurn(job.words, job.at, ticket);
      Atomics.store(job.taken, 0, 1);
      Atomics.notify(job.taken, 0);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, job.ms);
      completeTicket(job.words, job.at, ticket);
      return null;
    }
    case 'readWhileHeld': {
      Atomics.wait(job.taken, 0, 0);
      const started = Date.now();
      waitForEarlierMutations(job.words, job.at);
      return Date.now() - started;
    }
    case 'wait':
      waitForEarlierMutations(job.words, job.at);
      return null;
    case 'lock': {
      for (let i = 0; i < job.rounds; i++) {
        withLock(job.words, 0, () => {
          // Neither a load nor a store of this is atomic as a pair: only the lock keeps the sum right.
          const seen = job.log[0];
          if (i % 8 === 0) for (let spin = 0; spin < 50; spin++) job.log[1] = spin;
          job.log[0] = seen + 1;
        });
      }
      return null;
    }
  }
}

function mutate({ words, at, log, rounds, failEvery }: Extract<Job, { what: 'mutate' }>): number {
  const perBarrier = log.length / at.length;
  let failures = 0;
  for (let i = 0; i < rounds; i++) {
    const which = i % at.length;
    const barrier = at[which];
    const base = which * perBarrier;
    if (i % 3 === 0) {
      const ticket = takeTicket(words, barrier);
      waitForTurn(words, barrier, ticket);
      note(log, base, ticket);
      completeTicket(words, barrier, ticket);
      continue;
    }
    try {
      inTurn(words, barrier, () => {
        note(log, base, Atomics.load(words, barrier + 1));
        if (i % failEvery === failEvery - 1) throw new Error('as if the disk were full');
      });
    } catch {
      failures++;
    }
    if (pendingMutations(words, barrier) < 0) Atomics.add(log, base + 2, 1);
  }
  return failures;
}

function note(log: Int32Array, base: number, ticket: number): void {
  if (Atomics.add(log, base + 1, 1) !== 0) Atomics.add(log, base + 2, 1);
  const place = log[base];
  log[base + 3 + place] = ticket;
  log[base] = place + 1;
  Atomics.sub(log, base + 1, 1);
}
