// Checking a whole chain on a pool of worker threads: everything a mount would ever read, and what it never looks at.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { batchesOf, inPool, PROGRESS_MS } from '../../sys/worker-pool.js';
import type { Catalog } from '../catalog.js';
import type { Chain } from '../types.js';
import { planBlocks } from './check-blocks.js';
import { planWal } from './check-wal.js';
import { type Check, planValidation, sizeOf } from './plan.js';
import { planCopies } from './plan-copies.js';
import { isDamage, type Problem } from './problem.js';
import checkBatch, { type Batch } from './worker.js';

/** What a worker gets at a time; the bytes are stored ones. */
const BATCH = { bytes: 4 << 20, files: 256 };

export interface ValidateOptions {
  /** Worker threads. */
  readonly jobs: number;
  /** Told of each problem as it is found, also of what is no damage. */
  found(problem: Problem): void;
  /** Told now and then how far it has come. */
  progress?(done: number, total: number): void;
}

export interface ValidateResult {
  readonly files: number;
  /** Stored bytes. */
  readonly bytes: number;
  /** What is damaged. */
  readonly problems: readonly Problem[];
  /** What is no damage, see isDamage. */
  readonly warnings: readonly Problem[];
}

/**
 * Checks content lists against content-crc, all stored files against their CRCs, streams against header maps, every
 * page, every record of the WAL that the target needs, and whether the chain lost blocks. Faults of the backups are results; only faults of the machine
 * are thrown.
 */
export async function validateChain(catalog: Catalog, chain: Chain, options: ValidateOptions): Promise<ValidateResult> {
  const plan = planValidation(chain);
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const found = (problem: Problem): void => {
    (isDamage(problem) ? problems : warnings).push(problem);
    options.found(problem);
  };
  for (const problem of plan.problems) found(problem);
  const target = plan.members.find(({ backup }) => backup === chain.target);
  const wal = planWal(catalog, chain, target);
  for (const problem of wal.problems) found(problem);
  const batches = batchesOf<Check>(
    [...plan.checks, ...planBlocks(chain), ...planCopies(catalog, chain, plan.members)],
    sizeOf,
    BATCH,
  );
  // First of all: it is the one piece of work that cannot be told small from its size.
  if (wal.check !== undefined) batches.unshift([wal.check]);
  const done = new SharedArrayBuffer(8);
  const tell = (): void => options.progress?.(Number(Atomics.load(new BigUint64Array(done), 0)), plan.bytes);
  tell();
  const threads = Math.min(options.jobs, batches.length);
  // Not worth a pool: one thread is here already, and for little work starting one takes longer.
  const alone = threads <= 1 || batches.length <= (wal.check === undefined ? 1 : 2);
  const work = { batches: batches.map((checks): Batch => ({ checks, done })), found, tell };
  await (alone ? checkHere(work) : checkInPool(work, threads));
  tell();
  return { files: plan.checks.length, bytes: plan.bytes, problems, warnings };
}

/** What is left to do once all is planned. */
interface Work {
  readonly batches: readonly Batch[];
  readonly found: (problem: Problem) => void;
  readonly tell: () => void;
}

async function checkHere({ batches, found, tell }: Work): Promise<void> {
  let told = performance.now();
  const tick = (): void => {
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    tell();
  };
  for (const batch of batches) {
    for (const problem of checkBatch(batch, tick)) found(problem);
    await nextTurn();
  }
}

async function checkInPool({ batches, found, tell }: Work, threads: number): Promise<void> {
  await inPool<Batch, Problem[]>(new URL('./worker.js', import.meta.url), threads, tell, async (run) => {
    await Promise.all(
      batches.map(async (batch) => {
        for (const problem of await run(batch)) found(problem);
      }),
    );
  });
}
