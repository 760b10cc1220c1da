// Checking a whole chain on a pool of worker threads: everything a mount would ever read, and what it never looks at.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { THREAD_LIMITS } from '../../sys/thread-limits.js';
import type { Catalog } from '../catalog.js';
import type { Chain } from '../types.js';
import { planWal } from './check-wal.js';
import { type Check, planValidation, sizeOf } from './plan.js';
import type { Problem } from './problem.js';
import checkBatch, { type Batch } from './worker.js';

/** Files go to the workers in batches of about this many stored bytes, and never more than so many files. */
const BATCH_BYTES = 4 << 20;
const BATCH_FILES = 256;

export interface ValidateOptions {
  /** Worker threads. */
  readonly jobs: number;
  /** Told of each problem as it is found. */
  found(problem: Problem): void;
  /** Told now and then how far it has come. */
  progress?(done: number, total: number): void;
}

export interface ValidateResult {
  readonly files: number;
  /** Stored bytes. */
  readonly bytes: number;
  readonly problems: readonly Problem[];
}

const PROGRESS_MS = 200;

/**
 * Checks content lists against content-crc, all stored files against their CRCs, streams against header maps, every
 * page, and every record of the WAL that the target needs. Faults of the backups are results; only faults of the machine
 * are thrown.
 */
export async function validateChain(catalog: Catalog, chain: Chain, options: ValidateOptions): Promise<ValidateResult> {
  const plan = planValidation(chain);
  const problems: Problem[] = [];
  const found = (problem: Problem): void => {
    problems.push(problem);
    options.found(problem);
  };
  for (const problem of plan.problems) found(problem);
  const target = plan.members.find(({ backup }) => backup === chain.target);
  const wal = planWal(catalog, chain, target);
  for (const problem of wal.problems) found(problem);
  const batches = batchesOf(plan.checks);
  // First of all: it is the one piece of work that cannot be told small from its size.
  if (wal.check !== undefined) batches.unshift([wal.check]);
  const done = new SharedArrayBuffer(8);
  const counter = new BigUint64Array(done);
  const tell = (): void => options.progress?.(Number(Atomics.load(counter, 0)), plan.bytes);
  tell();
  const result = { files: plan.checks.length, bytes: plan.bytes, problems };
  const threads = Math.min(options.jobs, batches.length);
  // Not worth a pool: one thread is here already, and for little work starting one takes longer.
  if (threads <= 1 || batches.length <= (wal.check === undefined ? 1 : 2)) {
    let told = performance.now();
    const tick = (): void => {
      if (performance.now() - told < PROGRESS_MS) return;
      told = performance.now();
      tell();
    };
    for (const checks of batches) {
      for (const problem of checkBatch({ checks, done }, tick)) found(problem);
      await nextTurn();
    }
    tell();
    return result;
  }
  // Only here: every thread of a mount loads this module's neighbours.
  const { Piscina } = await import('piscina');
  const pool = new Piscina<Batch, Problem[]>({
    filename: new URL('./worker.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: THREAD_LIMITS,
  });
  const timer = setInterval(tell, PROGRESS_MS);
  try {
    await Promise.all(
      batches.map(async (checks) => {
        for (const problem of await pool.run({ checks, done })) found(problem);
      }),
    );
    tell();
  } finally {
    clearInterval(timer);
    await pool.destroy();
  }
  return result;
}

/** Large files first and alone, so that no worker is left with one at the end. */
function batchesOf(checks: readonly Check[]): Check[][] {
  const batches: Check[][] = [];
  let batch: Check[] = [];
  let bytes = 0;
  for (const check of checks.toSorted((a, b) => sizeOf(b) - sizeOf(a))) {
    if (batch.length === 0) batches.push(batch);
    batch.push(check);
    bytes += sizeOf(check);
    if (bytes < BATCH_BYTES && batch.length < BATCH_FILES) continue;
    batch = [];
    bytes = 0;
  }
  return batches;
}
