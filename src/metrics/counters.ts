// Counters in shared memory: every thread adds to a stripe of its own without synchronisation, a reader sums them up.

import { type CounterName, counterNames } from './definitions.js';

const STRIPE = Math.ceil(counterNames.length / 8) * 8;
const MAX_THREADS = 64;

/** Index of each counter within a stripe. */
export const counter = Object.fromEntries(counterNames.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;

export type CounterSnapshot = Record<CounterName, number>;

/** One thread's stripe. Only that thread may write to it. */
export class Counters {
  readonly #values: Float64Array;

  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#values = new Float64Array(buffer, thread * STRIPE * 8, STRIPE);
  }

  add(index: number, amount: number): void {
    this.#values[index]! += amount;
  }
}

/** Memory for the counters of all threads of a mount. */
export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(MAX_THREADS * STRIPE * 8);
}

/** Sums over all threads. */
export function sumCounters(buffer: SharedArrayBuffer): CounterSnapshot {
  const values = new Float64Array(buffer);
  const sums = {} as CounterSnapshot;
  for (const [index, name] of counterNames.entries()) {
    let sum = 0;
    for (let thread = 0; thread < MAX_THREADS; thread++) sum += values[thread * STRIPE + index]!;
    sums[name] = sum;
  }
  return sums;
}
