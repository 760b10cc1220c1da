// The namespace thread goes on, whatever becomes of a request.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { PbkfsError } from '../../src/errors.js';
import { Channel } from '../../src/fs/channel.js';
import type { NamespaceDispatch } from '../../src/fs/namespace-dispatch.js';
import { type NamespaceLoopOptions, runNamespaceLoop, tidier } from '../../src/fs/namespace-loop.js';
import { IN_HEADER, opcode } from '../../src/fs/protocol/constants.js';
import type { Reply } from '../../src/fs/protocol/reply.js';
import { Counters, createCounters } from '../../src/metrics/counters.js';
import type { Overlay } from '../../src/overlay/overlay.js';
import { control, stop } from '../../src/overlay/shared/shared-state.js';

t.test('a virtual file for which there is no inode left fails, and nothing else', async (t) => {
  const controlWords = new Int32Array(new SharedArrayBuffer(256));
  const channel = Channel.create(controlWords, 7);
  const { words } = channel.requests[0]!;
  words.set([IN_HEADER, opcode.LOOKUP, 11, 0, 5]);
  channel.post(0, 0);
  const answered: number[][] = [];
  const failures: string[] = [];
  const options: NamespaceLoopOptions = {
    controlWords,
    channels: [channel],
    overlay: {
      namespace: { rows: { live: 0 } },
      compactJournal: () => undefined,
      pendingRemovals: 0,
    } as unknown as Overlay,
    dispatch: {
      virtualName: () => 'stat',
      virtualEntry: () => {
        throw new PbkfsError('internal', 'the kernel holds all inodes that this mount has');
      },
    } as unknown as NamespaceDispatch,
    reply: { sendError: (...said: number[]) => void answered.push(said) } as unknown as Reply,
    counters: new Counters(createCounters(), 0),
    receiveMail: (content) => {
      content({ lookup: 1, content: Buffer.from('status') });
      Atomics.store(controlWords, control.stop, stop.close);
    },
    askContent: () => Atomics.store(controlWords, control.mail, 1),
    failed: ({ row }, error) => void failures.push(`${row}: ${(error as Error).message}`),
    trace: null,
    replyFailed: () => t.fail('there was a reply'),
    syncJournal: () => undefined,
    tidyFailed: () => undefined,
  };
  runNamespaceLoop(options);
  t.strictSame(answered, [[7, 11, 0, 5]], 'EIO, to whoever asked');
  t.strictSame(failures, ['5: the kernel holds all inodes that this mount has']);
});

t.test('removed files give their space back although the clock is set back', async (t) => {
  let asked = 0;
  const tidy = tidier({
    overlay: { pendingRemovals: 1, tidy: () => 0 } as unknown as Overlay,
    syncJournal: () => void asked++,
    tidyFailed: () => undefined,
  });
  tidy();
  const { now } = Date;
  Date.now = () => now() - 3_600_000;
  t.teardown(() => {
    Date.now = now;
  });
  await sleep(1100);
  tidy();
  t.equal(asked, 1, 'the journal is to be synced');
});
