// How many data threads there are, and what becomes of a mount when one of them cannot be had or ends; with threads that are none.

import { EventEmitter } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import workerThreads from 'node:worker_threads';
import t, { type Test } from 'tap';
import { MAX_THREADS, ReaderPool, type ReaderSettings } from '../../src/fs/reader-pool.js';
import type { Logger } from '../../src/log.js';
import { createCounters } from '../../src/metrics/counters.js';
import { control, SharedState } from '../../src/overlay/shared/shared-state.js';
import { until } from '../support/until.js';

class Thread extends EventEmitter {
  terminated = false;

  terminate(): void {
    this.terminated = true;
  }

  #reads = false;

  /** Says that it reads, once. */
  reads(): void {
    if (!this.#reads) this.emit('message', { reading: null });
    this.#reads = true;
  }

  /** Ends by an error that nobody caught. */
  fails(error: Error): void {
    this.emit('error', error);
    this.emit('exit', 1);
  }
}

/** A pool and its threads, in the order of their start. @param most threads that the machine lets it have */
function pool(t: Test, most = Number.POSITIVE_INFINITY) {
  const threads: Thread[] = [];
  const { Worker } = workerThreads;
  const set = (to: unknown): void => {
    Object.assign(workerThreads, { Worker: to });
    syncBuiltinESMExports();
  };
  t.teardown(() => set(Worker));
  set(
    class extends Thread {
      constructor() {
        super();
        if (threads.length >= most) throw new Error('no thread to be had');
        threads.push(this);
      }
    },
  );
  const shared = SharedState.create(createCounters(), 64, 1 << 20);
  const told: unknown[][] = [];
  const logged: string[] = [];
  const log = { info: () => undefined, warn: (message: string) => void logged.push(message) } as unknown as Logger;
  const made = new ReaderPool(shared, log, {
    channel: () => undefined,
    suspect: () => void told.push(['suspect']),
    writeBack: (path) => void told.push(['writeBack', path]),
    ended: (gone) => void told.push(['ended', gone]),
    failed: (error) => void told.push(['failed', error.message]),
  });
  const device = openSync('/dev/null', 'r');
  const start = (count?: number): void => made.start(device, {} as ReaderSettings, count);
  return { pool: made, threads, words: shared.control, told, logged, start, device };
}

const NO_MORE = ['no further data thread can be started: slow storage keeps callers waiting longer'];
const broken = new Error('broken');

t.test('one thread comes up first, then the others; not fewer than one, not more than there may be', async (t) => {
  for (const [asked, count] of [
    [undefined, 4],
    [0, 1],
    [2, 2],
    [1000, MAX_THREADS],
  ] as const) {
    const { pool: made, threads, start, told } = pool(t);
    t.notOk(made.wasStarted);
    start(asked);
    t.strictSame([threads.length, made.size, made.started, made.wasStarted], [1, 1, count, true]);
    threads[0]!.reads();
    t.strictSame([threads.length, made.size], [count, count]);
    t.strictSame(told, []);
  }
});

t.test('what threads tell is passed on', async (t) => {
  const { threads, start, told } = pool(t);
  start(1);
  threads[0]!.emit('message', 'suspect');
  threads[0]!.emit('message', { writeBack: 'objects/1' });
  t.strictSame(told, [['suspect'], ['writeBack', 'objects/1']]);
});

t.test('an error in a thread that reads ends the mount, also when it overtakes the word that it reads', async (t) => {
  for (const overtakes of [false, true]) {
    const { threads, start, told, pool: made } = pool(t);
    start(2);
    threads[0]!.reads();
    if (!overtakes) threads[1]!.reads();
    threads[1]!.emit('error', broken);
    if (overtakes) threads[1]!.reads();
    threads[1]!.emit('exit', 1);
    t.strictSame(told, [
      ['failed', 'broken'],
      ['ended', false],
    ]);
    t.equal(made.size, 1);
  }
});

t.test('a first thread that cannot come up is a failure', async (t) => {
  const { threads, start, told } = pool(t);
  start();
  threads[0]!.fails(broken);
  t.strictSame(told, [
    ['failed', 'broken'],
    ['ended', false],
  ]);
  t.equal(threads.length, 1);
});

t.test('the others do without a further one that cannot come up, or cannot be had', async (t) => {
  const { threads, start, told, logged, pool: made } = pool(t);
  start(3);
  threads[0]!.reads();
  threads[1]!.fails(broken);
  threads[2]!.fails(broken);
  t.strictSame([made.size, made.started], [1, 1]);
  t.strictSame(logged, NO_MORE, 'said once');
  const few = pool(t, 2);
  few.start(4);
  few.threads[0]!.reads();
  few.threads[1]!.reads();
  t.strictSame([few.pool.size, few.pool.started, few.logged], [2, 2, NO_MORE]);
  t.strictSame([...told, ...few.told], []);
});

t.test('how a thread ends', async (t) => {
  const { threads, start, told, pool: made } = pool(t);
  start(3);
  threads[0]!.reads();
  threads[1]!.emit('exit', 0);
  t.strictSame(told.splice(0), [['ended', true]], 'the mount is gone');
  threads[2]!.emit('exit', 7);
  t.strictSame(told.splice(0), [
    ['failed', 'data thread 3 ended by itself with status 7'],
    ['ended', false],
  ]);
  made.terminate();
  t.ok(threads[0]!.terminated);
  t.notOk(threads[1]!.terminated);
  threads[0]!.emit('exit', 1);
  t.strictSame(told, [['ended', false]], 'it was told to');
  t.equal(made.size, 0);
});

t.test('there are more when all are stuck, four at a time, and never too many', async (t) => {
  const { threads, start, words, pool: made, logged } = pool(t);
  start(1);
  threads[0]!.reads();
  Atomics.store(words, control.idleReaders, 1);
  Atomics.store(words, control.starving, 1);
  threads[0]!.emit('message', 'starving');
  await until(() => Atomics.load(words, control.starving) === 0);
  t.equal(made.size, 1, 'one is in read(2)');

  Atomics.store(words, control.idleReaders, 0);
  Atomics.store(words, control.starving, 1);
  threads[0]!.emit('message', 'starving');
  await until(() => made.size > 1);
  t.equal(made.size, 5);
  await sleep(50);
  t.equal(made.size, 5, 'those that come up are waited for');
  while (made.size < MAX_THREADS) {
    const before = made.size;
    for (const thread of threads) thread.reads();
    await until(() => made.size > before);
  }
  await until(() => Atomics.load(words, control.starving) === 0);
  t.equal(made.size, MAX_THREADS);
  t.strictSame(logged, []);
  made.close();
});

t.test('nobody is added to a mount that ends', async (t) => {
  const { threads, start, words, pool: made } = pool(t);
  start(1);
  threads[0]!.reads();
  threads[0]!.emit('message', 'starving');
  made.close();
  await sleep(50);
  t.equal(made.size, 1);
  t.equal(Atomics.load(words, control.idleReaders), 0);
});

t.test('a device that all share is closed once', async (t) => {
  const { threads, start, pool: made, device } = pool(t);
  start(4);
  threads[0]!.reads();
  made.closeDevices();
  t.throws(() => fstatSync(device), { code: 'EBADF' });
  t.throws(() => closeSync(device), { code: 'EBADF' });
});
