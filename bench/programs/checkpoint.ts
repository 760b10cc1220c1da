// A checkpoint beside a reader, on one file: `node checkpoint.js FILE BYTES` dirties all blocks of FILE, calls fsync, and
// tells in µs the 99th percentile of 8 KiB reads and of lseek(SEEK_END) that a second thread made during the fsync.

import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type koffi from 'koffi';

const BLOCK = 8192;
/** Like PostgreSQL's backends, which ask now and then and not in a tight loop. */
const PAUSE_MS = 0.2;
/** Checkpoints until something was measured. */
const MOST = 5;

const Phase = { waiting: 0, syncing: 1, over: 2 } as const;

interface Job {
  readonly file: string;
  readonly bytes: number;
  readonly phase: Int32Array;
}

async function checkpoint(file: string, bytes: number): Promise<void> {
  // The phase, and how often each of the two was measured.
  const phase = new Int32Array(new SharedArrayBuffer(12));
  const reader = new Worker(new URL(import.meta.url), { workerData: { file, bytes, phase } satisfies Job });
  const heard = new Promise<Record<string, number[]>>((resolve, reject) => {
    reader.once('message', resolve);
    reader.once('error', reject);
  });
  const fd = openSync(file, 'r+');
  const block = Buffer.alloc(BLOCK, performance.now().toString());
  const took: number[] = [];
  // An fsync of some milliseconds may be over before the other thread has come to its turn.
  while (took.length < MOST && (Atomics.load(phase, 1) === 0 || Atomics.load(phase, 2) === 0)) {
    // The order of a checkpoint: ascending blocks, written out before the fsync.
    for (let at = 0; at < bytes; at += BLOCK) writeSync(fd, block, 0, BLOCK, at);
    await sleep(50);
    Atomics.store(phase, 0, Phase.syncing);
    const begun = performance.now();
    fsyncSync(fd);
    took.push((performance.now() - begun) / 1000);
    Atomics.store(phase, 0, Phase.waiting);
  }
  Atomics.store(phase, 0, Phase.over);
  const seconds = took.reduce((sum, each) => sum + each) / took.length;
  closeSync(fd);
  const { reads, seeks } = await heard;
  console.log(
    JSON.stringify({ seconds, reads: percentile(reads), seeks: percentile(seeks), count: reads.length + seeks.length }),
  );
}

/** An operation counts when the fsync ran at its begin or began before its end: one that waits for all of it is the worst. */
function observe({ file, bytes, phase }: Job): void {
  const ffi = createRequire(import.meta.url)('koffi') as typeof koffi;
  const lseek = ffi.load(null).func('int64_t lseek(int fd, int64_t offset, int whence)');
  const fd = openSync(file, 'r');
  const buffer = Buffer.alloc(BLOCK);
  const blocks = Math.floor(bytes / BLOCK);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const acts: Record<string, () => void> = {
    reads: () => readSync(fd, buffer, 0, BLOCK, Math.floor(Math.random() * blocks) * BLOCK),
    seeks: () => lseek(fd, 0, 2),
  };
  const times: Record<string, number[]> = { reads: [], seeks: [] };
  while (Atomics.load(phase, 0) !== Phase.over) {
    for (const [i, [name, act]] of Object.entries(acts).entries()) {
      const began = Atomics.load(phase, 0);
      if (began === Phase.over) break;
      const begun = performance.now();
      act();
      if (began !== Phase.syncing && Atomics.load(phase, 0) !== Phase.syncing) continue;
      times[name]!.push((performance.now() - begun) * 1000);
      Atomics.add(phase, 1 + i, 1);
    }
    Atomics.wait(pause, 0, 0, PAUSE_MS);
  }
  parentPort!.postMessage(times);
}

function percentile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))];
  if (found === undefined) throw new Error('the fsync was over before anything was measured');
  return found;
}

if (isMainThread) await checkpoint(process.argv[2]!, Number(process.argv[3]));
else observe(workerData as Job);
