// What the control thread hears of the namespace thread, and in which order: how it comes up, what it asks, how it ends.

import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { NamespaceControl } from '../../src/fs/namespace-control.js';
import { offerNamespaceThread } from '../../src/fs/namespace-worker.js';
import { createCounters } from '../../src/metrics/counters.js';
import { control, SharedState, stop } from '../../src/overlay/shared/shared-state.js';

interface Heard {
  readonly thread: NamespaceControl;
  readonly shared: SharedState;
  readonly opened: Promise<string>;
  /** Everything that was told, in order. */
  readonly told: unknown[];
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
}

/** @param script the thread: `data` is what it was given, `say` tells the control thread, `mail` and `rung` are what it gets */
function threadOf(t: Test, script: string): Heard {
  const worker = new Worker(
    `const { parentPort, receiveMessageOnPort } = require('node:worker_threads');
    const say = (message) => parentPort.postMessage(message);
    parentPort.once('message', (data) => {
      const words = new Int32Array(data.shared.control);
      const rung = (word) => Atomics.wait(words, word, 0);
      const mail = () => receiveMessageOnPort(data.mail)?.message;
      ${script}
    });`,
    { eval: true, execArgv: [], stderr: true },
  );
  worker.unref();
  offerNamespaceThread(worker);
  t.teardown(() => worker.terminate());
  const shared = SharedState.create(createCounters(), 16, 2 ** 16);
  const thread = new NamespaceControl(shared, {} as ConstructorParameters<typeof NamespaceControl>[1]);
  const told: unknown[] = [];
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const opened = thread.open({
    syncJournal: () => told.push('sync'),
    kernelWrites: (path, open) => told.push([path, open]),
    content: (lookup, name) => told.push([lookup, name]),
    failed: ({ message }) => told.push(message),
    ended: (unexpected) => told.push(unexpected?.message ?? 'ended'),
  });
  opened.catch(() => undefined);
  return { thread, shared, opened, told, ended };
}

t.test('it comes up, asks, gets its mail, and ends when it is told to', async (t) => {
  const { thread, shared, opened, told, ended } = threadOf(
    t,
    `say({ type: 'ready', objects: '/diff/objects' });
    rung(${control.bell});
    say({ type: 'content', lookup: mail().lookup + words[${control.mail}], name: 'stat' });
    say({ type: 'sync-journal' });
    say({ type: 'kernel-writes', path: '/diff/objects/1', open: true });
    rung(${control.stop});
    say({ type: 'kernel-writes', path: words[${control.stop}] + '', open: false });
    data.mail.close();`,
  );
  t.equal(await opened, '/diff/objects');
  t.notOk(thread.hasEnded);
  thread.post({ lookup: 7, content: null });
  while (told.length < 3) await new Promise(setImmediate);
  const before = Atomics.load(shared.control, control.bell);
  thread.stop(stop.leave);
  t.not(Atomics.load(shared.control, control.bell), before, 'it may be asleep');
  // Nothing here wakes a thread that waits for that word alone.
  Atomics.notify(shared.control, control.stop);
  await ended;
  t.strictSame(told, [[8, 'stat'], 'sync', ['/diff/objects/1', true], [String(stop.leave), false], 'ended']);
  t.ok(thread.hasEnded);
});

t.test('one that cannot open the diff says why, and what to do', async (t) => {
  const { opened, told, ended } = threadOf(
    t,
    `say({ type: 'failed', code: 'diff_damaged', message: 'no journal', hint: 'fsck' });
    data.mail.close();`,
  );
  await t.rejects(opened, { code: 'diff_damaged', message: 'no journal', hint: 'fsck' });
  await ended;
  t.strictSame(told, ['no journal', 'the namespace thread ended by itself']);
});

t.test('an error that nobody caught in it is the reason', async (t) => {
  const { opened, told, ended } = threadOf(t, `throw new Error('out of luck');`);
  await t.rejects(opened, { message: 'out of luck' });
  await ended;
  t.equal(told[0], 'out of luck');
});

t.test('one that ends without a word does not keep the mount waiting', async (t) => {
  const { thread, opened, told } = threadOf(t, 'process.exit();');
  await t.rejects(opened, { code: 'internal', message: 'the namespace thread ended by itself' });
  t.strictSame(told, ['the namespace thread ended by itself']);
  t.ok(thread.hasEnded);
});

t.test('one that hangs can be ended', async (t) => {
  const { thread, opened, ended } = threadOf(t, `say({ type: 'ready', objects: '' }); for (;;);`);
  await opened;
  thread.terminate();
  await ended;
  t.ok(thread.hasEnded);
});
