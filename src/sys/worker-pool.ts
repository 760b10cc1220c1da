// Work on many files for a pool of threads: cut into batches, and its progress told as long as it runs.

import { THREAD_LIMITS } from './thread-limits.js';

/** How often whoever waits is told how far the work has come, in ms. */
export const PROGRESS_MS = 200;

/**
 * Batches of about so many bytes, and of no more than so many files. Large files come first and alone, so that no thread
 * is left with one at the end.
 */
export function batchesOf<T>(
  files: readonly T[],
  sizeOf: (file: T) => number,
  most: { readonly bytes: number; readonly files: number },
): T[][] {
  const batches: T[][] = [];
  let batch: T[] = [];
  let bytes = 0;
  for (const file of files.toSorted((a, b) => sizeOf(b) - sizeOf(a))) {
    if (batch.length === 0) batches.push(batch);
    batch.push(file);
    bytes += sizeOf(file);
    if (bytes < most.bytes && batch.length < most.files) continue;
    batch = [];
    bytes = 0;
  }
  return batches;
}

/**
 * Has a pool of threads while `work` runs.
 * @param worker a module whose default export does one task; it is bundled by scripts/bundle.mjs
 * @param tell called every {@link PROGRESS_MS}
 * @param work is given what has one task done
 * @throws what `work` does
 */
export async function inPool<Task, Result>(
  worker: URL,
  threads: number,
  tell: () => void,
  work: (run: (task: Task) => Promise<Result>) => Promise<void>,
): Promise<void> {
  // Only here: every thread of a mount loads this module's neighbours.
  const { Piscina } = await import('piscina');
  const pool = new Piscina<Task, Result>({
    filename: worker.href,
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: THREAD_LIMITS,
  });
  const timer = setInterval(tell, PROGRESS_MS);
  try {
    await work((task) => pool.run(task));
  } finally {
    clearInterval(timer);
    await pool.destroy();
  }
}
