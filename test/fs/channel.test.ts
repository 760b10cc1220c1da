// Who is woken by a request that is handed over.

import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { Channel, countOf, wordsOf } from '../../src/fs/channel.js';
import { IN_HEADER, opcode } from '../../src/fs/protocol/constants.js';
import { control } from '../../src/overlay/shared/shared-state.js';

function setUp() {
  const words = new Int32Array(new SharedArrayBuffer(256));
  const channel = Channel.create(words, 0);
  const put = (slot: number, code: number): void => {
    const { bytes } = channel.requests[slot]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(0, IN_HEADER, true);
    view.setUint32(4, code, true);
    channel.post(slot, 0);
  };
  return { words, channel, put, rings: () => Atomics.load(words, control.bell) };
}

/** What a thread is told that asks when this is the answer. */
async function told(channel: Channel, words: Int32Array, text: string): Promise<string> {
  const asking = new Worker(
    `const { parentPort, workerData: { module, buffers, words } } = require('node:worker_threads');
     import(module).then(({ Channel }) => {
       const channel = new Channel(buffers, words);
       const ask = () => { try { return channel.ask(1, 2, 3, 'said by é'); } catch ({ message }) { return message; } };
       parentPort.postMessage(ask());
     });`,
    {
      eval: true,
      workerData: { module: new URL('../../src/fs/channel.js', import.meta.url).href, buffers: channel.buffers, words },
    },
  );
  const message = once(asking, 'message');
  const answer = (...asked: unknown[]): string =>
    isDeepStrictEqual(asked, [1, 2, 3, 'said by é']) ? text : `${asked}`;
  while (!channel.answerQuestion(answer)) await setTimeout(1);
  const [heard] = (await message) as [string];
  await asking.terminate();
  return heard;
}

t.test('an answer is as long as it is', async (t) => {
  const { words, channel } = setUp();
  for (const length of [10, (1 << 20) + 1, 3 << 20, 10, 5 << 20]) {
    const text = `${'é'.repeat(length / 2)}.`;
    t.ok((await told(channel, words, text)) === text, `${length} bytes`);
  }
  t.match(await told(channel, words, 'x'.repeat((1 << 25) + 1)), /grow/, 'or there is none');
  t.equal(await told(channel, words, 'short'), 'short');
});

t.test('a request rings, a FORGET does not while the namespace thread looks anyway', async (t) => {
  const { channel, put, rings } = setUp();
  put(0, opcode.FORGET);
  t.equal(rings(), 0);
  t.ok(channel.isPosted(0), 'it is there to be found');
  put(1, opcode.LOOKUP);
  t.equal(rings(), 1);
});

t.test('a FORGET rings where the namespace thread rests', async (t) => {
  const { words, put, rings } = setUp();
  Atomics.store(words, control.namespaceRests, 1);
  put(0, opcode.FORGET);
  t.equal(rings(), 1);
  put(1, opcode.BATCH_FORGET);
  t.equal(rings(), 2);
});

for (const slot of [0, 1]) {
  t.test(`who needs the slot of a FORGET rings for it, and waits for that one: ${slot}`, async (t) => {
    const { channel, put, rings } = setUp();
    put(0, opcode.FORGET);
    put(1, opcode.FORGET);
    t.equal(rings(), 0);
    channel.release(1 - slot);
    const { words } = channel.buffers;
    // The namespace thread of this test is a clock: it gives the slot back once somebody waits for it.
    const served = new Worker(
      `const { workerData: { words, slot } } = require('node:worker_threads');
       const slots = new Int32Array(words);
       while (Atomics.load(slots, slot) === 1) Atomics.wait(slots, slot, 1);
       Atomics.store(slots, slot, 0);
       Atomics.notify(slots, slot);`,
      { eval: true, workerData: { words, slot } },
    );
    channel.waitUntilFree(slot);
    t.notOk(channel.isPosted(slot));
    t.equal(rings(), 1);
    await served.terminate();
  });
}

t.test('a count of any size goes as two words', async (t) => {
  const words = new Int32Array(2);
  for (const count of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 2 ** 31 + 5]) {
    words.set(wordsOf(count));
    t.equal(countOf(words[0]!, words[1]!), count);
  }
});
