// The handover queue itself: what goes in comes out whole and in order, and threads lose nothing.

import t from 'tap';
import { HANDOVER_BYTES, HandoverQueue } from '../../src/fs/handover-queue.js';
import { Request } from '../../src/fs/protocol/request.js';
import { control } from '../../src/overlay/shared/shared-state.js';
import { runCrew } from './handover-crew.js';

/** A request of `length` bytes whose every byte tells its number. */
function request(number: number, length = 80): Request {
  const made = new Request(new ArrayBuffer(4096));
  made.bytes.fill(number & 0xff, 0, length);
  made.words[0] = length;
  made.words[2] = number;
  return made;
}

const empty = (): Request => new Request(new ArrayBuffer(HANDOVER_BYTES));

t.test('the oldest comes first, with its device and the time of its arrival', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(256));
  const queue = HandoverQueue.create(words);
  const into = empty();
  queue.begin();
  t.notOk(queue.push(request(1), 7, 1), 'alone: nobody would come for it');
  queue.begin();
  t.ok(queue.push(request(1), 7, 10));
  t.ok(queue.push(request(2), 8, 20));
  t.notOk(queue.push(request(3, HANDOVER_BYTES + 8), 7, 1), 'too long');
  t.equal(queue.waiting, 2);
  queue.end();
  t.notOk(queue.enter(into), 'one serves, nobody reads: this one has to');
  t.equal(words[control.idleReaders], 1);
  for (const [number, device, arrived] of [
    [1, 7, 10],
    [2, 8, 20],
  ] as const) {
    t.ok(queue.enter(into));
    t.same([into.uniqueLow, into.length, into.bytes[79]], [number, 80, number]);
    t.equal(queue.device, device);
    t.ok(Math.abs(queue.arrived - arrived) < 1e-3);
  }
  t.same([queue.waiting, queue.taken], [0, 2]);
  t.notOk(queue.enter(into), 'nothing more');
});

t.test('a full queue refuses, and its counters may wrap around', async (t) => {
  const queue = HandoverQueue.create(new Int32Array(new SharedArrayBuffer(256)));
  const into = empty();
  const counts = new Int32Array(queue.buffer, 4, 2);
  counts.fill(0x7fffffff - 10);
  queue.begin();
  queue.begin();
  let pushed = 0;
  while (queue.push(request(pushed), 1, 0)) pushed++;
  t.equal(pushed, 64);
  t.equal(queue.waiting, 64);
  queue.end();
  queue.end();
  for (let i = 0; i < pushed; i++) {
    t.ok(queue.enter(into));
    if (into.uniqueLow !== i) t.fail(`${into.uniqueLow} instead of ${i}`);
    queue.end();
  }
  t.equal(queue.waiting, 0);
});

t.test('reads are quick after a quick one, and not for a second after a slow one', async (t) => {
  const queue = HandoverQueue.create(new Int32Array(new SharedArrayBuffer(256)));
  t.notOk(queue.readsAreQuick(10_000), 'nobody knows yet');
  queue.served(0.02, 10_000);
  t.ok(queue.readsAreQuick(10_000.1));
  t.notOk(queue.readsAreQuick(10_005), 'that was a while ago');
  queue.served(50, 10_005);
  queue.served(0.02, 10_006);
  t.notOk(queue.readsAreQuick(10_006.1));
  queue.served(0.02, 11_010);
  t.ok(queue.readsAreQuick(11_010.1));
});

t.test('threads: every request is served once, by whoever', async (t) => {
  const requests = 6000;
  const served = await runCrew({ threads: 4, requests });
  t.equal(
    served.reduce((sum, { count }) => sum + count, 0),
    requests,
  );
  const handedOver = served.reduce((sum, each) => sum + each.handedOver, 0);
  t.ok(handedOver > 0, `${handedOver} of them by another thread than the one that had read them`);
});
