// Counters in shared memory: every thread adds to a stripe of its own without synchronisation, a reader sums them up.
//
//   a stripe, in 64-bit floats:  counters | received | for each operation: buckets, sum of ms | up to a cache line

import { type CounterName, counterNames, type Operation, operations } from './definitions.js';
import { BUCKETS, bucketOf, type Distribution } from './histogram.js';

const RECEIVED = counterNames.length;
const TIMES = RECEIVED + 1;
const SUM = BUCKETS;
const TIME_CELLS = BUCKETS + 1;
const STRIPE = Math.ceil((TIMES + operations.length * TIME_CELLS) / 8) * 8;
const MAX_THREADS = 64;

/** Index of each counter within a stripe. */
export const counter = Object.fromEntries(counterNames.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;

/** Number of each operation, as `answered` wants it. */
export const operation = Object.fromEntries(operations.map((name, index) => [name, index])) as Record<
  Operation,
  number
>;

/** All counters, and how many requests of each operation were answered. */
export type CounterSnapshot = Record<CounterName | Operation, number>;

/** One thread's stripe. Only that thread may write to it. */
export class Counters {
  readonly #values: Float64Array;

  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#values = new Float64Array(buffer, thread * STRIPE * 8, STRIPE);
  }

  add(index: number, amount: number): void {
    this.#values[index]! += amount;
  }

  /** A request has arrived. */
  received(): void {
    this.#values[RECEIVED]! += 1;
  }

  /**
   * A request is done with, whichever thread has received it.
   * @param op a number of `operation`
   * @param ms since it arrived
   */
  answered(op: number, ms: number): void {
    const at = TIMES + op * TIME_CELLS;
    this.#values[at + bucketOf(ms)]! += 1;
    this.#values[at + SUM]! += ms;
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
  for (const [op, { count }] of sumTimes(buffer)) sums[op] = count;
  for (const [index, name] of counterNames.entries()) sums[name] = sumOf(values, index);
  return sums;
}

/** How long requests took, by operation, over all threads. */
export function sumTimes(buffer: SharedArrayBuffer): Map<Operation, Distribution> {
  const values = new Float64Array(buffer);
  const times = new Map<Operation, Distribution>();
  for (const [op, name] of operations.entries()) {
    const at = TIMES + op * TIME_CELLS;
    const buckets = Array.from({ length: BUCKETS }, (_, i) => sumOf(values, at + i));
    const count = buckets.reduce((sum, observations) => sum + observations, 0);
    times.set(name, { count, buckets, sumSeconds: sumOf(values, at + SUM) / 1000 });
  }
  return times;
}

/** How many requests have arrived. */
export function receivedRequests(buffer: SharedArrayBuffer): number {
  return sumOf(new Float64Array(buffer), RECEIVED);
}

/** Requests that have arrived and are not answered. */
export function pendingOperations(buffer: SharedArrayBuffer): number {
  // In this order: a request that comes and goes meanwhile must not make it negative.
  let answered = 0;
  for (const { count } of sumTimes(buffer).values()) answered += count;
  return receivedRequests(buffer) - answered;
}

function sumOf(values: Float64Array, index: number): number {
  let sum = 0;
  for (let thread = 0; thread < MAX_THREADS; thread++) sum += values[thread * STRIPE + index]!;
  return sum;
}
