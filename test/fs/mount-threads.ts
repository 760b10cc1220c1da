// The loops of data threads and namespace thread as they are, on a device, a dispatch and an overlay of the test's own; to
// be run in every order, see test/support/interleave.

import type { Channel, ringBell } from '../../src/fs/channel.js';
import type { HandoverQueue } from '../../src/fs/handover-queue.js';
import type { NamespaceLoopOptions } from '../../src/fs/namespace-loop.js';
import { IN_HEADER, opcode } from '../../src/fs/protocol/constants.js';
import type { Request } from '../../src/fs/protocol/request.js';
import type { ReaderLoopOptions } from '../../src/fs/reader-loop.js';
import type { RestingReaders } from '../../src/fs/resting-readers.js';
import { control, stop } from '../../src/overlay/shared/shared-state.js';
import { loadStepwise, type Mistake } from '../support/interleave/stepwise.js';
import { act, device, finish, type Thread } from '../support/interleave/threads.js';
import type { Scenario, View } from '../support/interleave/world.js';

const MODULES = [
  'pending/mutex',
  'fs/channel',
  'fs/bell-waiter',
  'fs/handover-queue',
  'fs/resting-readers',
  'fs/reader-loop',
  'fs/namespace-loop',
];

interface Loops {
  Channel: typeof Channel;
  HandoverQueue: typeof HandoverQueue;
  RestingReaders: typeof RestingReaders;
  ringBell: typeof ringBell;
  runReaderLoop(options: ReaderLoopOptions): Thread;
  runNamespaceLoop(options: NamespaceLoopOptions): Thread;
}

/**
 * What is asked of the mount: something quick, a READ of a slow disk, one whose block index nobody knows, a name, a name
 * that is no longer needed.
 */
export type Kind = keyof typeof codes;
const codes = {
  quick: opcode.GETATTR,
  slow: opcode.FSYNC,
  question: opcode.WRITE,
  name: opcode.LOOKUP,
  forget: opcode.FORGET,
} as const;

export interface Mount {
  readonly readers: number;
  readonly requests: readonly Kind[];
  /** readers that never rest; missing: all */
  readonly fewest?: number;
  /** the namespace thread hears of the last reader late */
  readonly lateChannel?: boolean;
  /** when the mount ends; missing: when everything was answered */
  readonly ends?: 'any time';
  /** without namespace thread: nobody asks for names */
  readonly nameless?: boolean;
  /** modules whose plain reads and writes are steps */
  readonly plain?: readonly string[];
}

/** States of a channel's slots; 0: free. */
function slotsOf({ words }: { words: SharedArrayBuffer }): Int32Array {
  return new Int32Array(words, 0, 2);
}

const FORWARD = -1;
const NO_REPLY = -2;

/** @param mistakes see loadStepwise */
export async function mountThreads(mount: Mount, mistakes: readonly Mistake[] = []): Promise<() => Scenario> {
  const loops = (await loadStepwise(MODULES, { mistakes, plain: mount.plain ?? [] })) as unknown as Loops;
  return () => scenarioOf(mount, loops);
}

function scenarioOf(
  { readers, requests, fewest = readers, lateChannel, ends, nameless }: Mount,
  loops: Loops,
): Scenario {
  const words = new Int32Array(new SharedArrayBuffer(256));
  const handover = finish(loops.HandoverQueue.create(words)).buffer;
  const resting = finish(loops.RestingReaders.create(fewest)).buffer;
  const buffers = Array.from({ length: readers }, () => ({
    words: new SharedArrayBuffer(80),
    slots: [new SharedArrayBuffer(256), new SharedArrayBuffer(256)],
    answer: new SharedArrayBuffer(64),
  }));
  const channelOf = (reader: number): Channel => new loops.Channel(buffers[reader], words);
  const served: number[] = requests.map(() => 0);
  let read = 0;
  let dropped = 0;
  let gone = false;
  let readersLeft = readers;
  const mail: Channel[] = [];

  device.read = function* (_, buffer) {
    return (yield* act({
      name: 'in read(2)',
      enabled: () => gone || read < requests.length,
      run: () => {
        if (gone) return 0;
        const header = new Uint32Array(buffer.buffer, buffer.byteOffset, 6);
        header.set([IN_HEADER, codes[requests[read]], read, 0, 1, 0]);
        read++;
        return IN_HEADER;
      },
    })) as number;
  };
  const serve = (request: Request, slow: boolean): Thread =>
    act({
      name: slow ? 'serves slowly' : 'serves',
      slow,
      run: () => {
        const number = request.uniqueLow;
        if (codes[requests[number]] !== request.opcode) throw new Error(`request ${number} is another one`);
        if (++served[number] > 1) throw new Error(`request ${number} served twice`);
        return 0;
      },
    });
  const counters = { add: () => undefined, answered: () => undefined, received: () => undefined };
  const reply = {
    send: () => {
      if (gone) throw Object.assign(new Error('gone'), { code: 'ENODEV' });
    },
  };

  function* reader(own: Channel): Thread<void> {
    const dispatch = {
      *handle(request: Request) {
        const kind = requests[request.uniqueLow];
        if (kind === 'name' || kind === 'forget') return FORWARD;
        if (kind === 'question') {
          const answer = yield* own.ask(1, request.uniqueLow, 7) as unknown as Thread<string>;
          if (answer !== `${request.uniqueLow} 7`) throw new Error(`answered with ${answer}`);
        }
        return yield* serve(request, kind === 'slow');
      },
      readsData: () => true,
      errorOf: (error: Error) => {
        throw error;
      },
    };
    yield* loops.runReaderLoop({
      channel: own,
      handover: new loops.HandoverQueue(handover, words),
      resting: new loops.RestingReaders(resting),
      controlWords: words,
      dispatch,
      reply,
      counters,
      starving: () => undefined,
      failed: () => undefined,
      trace: null,
    } as unknown as ReaderLoopOptions);
    yield* act({ name: 'ends', run: () => void readersLeft-- });
  }

  const channels = buffers.slice(0, lateChannel ? -1 : undefined).map((_, i) => channelOf(i));
  const namespace = (): Thread =>
    loops.runNamespaceLoop({
      controlWords: words,
      channels,
      overlay: {
        namespace: { rows: { live: 0 } },
        compactJournal: () => undefined,
        pendingRemovals: 0,
        describe: (row: number, generation: number) => `${row} ${generation}`,
      },
      dispatch: {
        virtualName: () => null,
        *handle(request: Request) {
          yield* serve(request, false);
          return request.opcode === opcode.FORGET ? NO_REPLY : 0;
        },
      },
      reply,
      counters,
      receiveMail: () => channels.push(...mail.splice(0)),
      failed: (_: unknown, error: Error) => {
        throw error;
      },
      trace: null,
    } as unknown as NamespaceLoopOptions);

  /** As namespace-control.ts does it, and the order of ends of server.ts. */
  function* controlThread(): Thread<void> {
    const tell = function* (word: number, value: number): Thread<void> {
      yield { kind: 'store', args: [words, word, value] };
      yield* loops.ringBell(words) as unknown as Thread;
    };
    if (lateChannel) {
      yield* act({ name: 'post', run: () => mail.push(channelOf(readers - 1)) });
      yield* tell(control.mail, 1);
    }
    const isAnswered = (kind: Kind, i: number): boolean => kind === 'forget' || served[i] > 0;
    yield* act({
      name: 'umount',
      slow: ends === undefined,
      enabled: () => ends === 'any time' || (read === requests.length && requests.every(isAnswered)),
      run: () => {
        gone = true;
        dropped = requests.length - read;
      },
    });
    yield* act({ name: 'wait for readers', enabled: () => readersLeft === 0, run: () => undefined });
    if (!nameless) yield* tell(control.stop, stop.close);
  }

  const names = buffers.map((_, i) => `reader ${i}`);
  return {
    memory: [words.buffer as SharedArrayBuffer, handover, resting, ...buffers.map((buffer) => buffer.words)],
    threads: {
      ...Object.fromEntries(buffers.map((_, i) => [names[i], () => reader(channelOf(i))])),
      ...(nameless ? {} : { namespace }),
      control: controlThread,
    },
    state: () => `${read} ${gone} ${readersLeft} ${mail.length} ${served.join('')}`,
    quiet: (view: View) => {
      if (readers > 1 && !names.some((name) => /read\(2\)|ended/.test(view[name])))
        throw new Error('others serve, and nobody reads');
      const rests = view.namespace === 'asleep' && words[control.namespaceRests] !== 0;
      if (rests && buffers.some((buffer) => slotsOf(buffer).some((state) => state !== 0)))
        throw new Error('the namespace thread rests, and a request waits for it');
    },
    ended: (view) => {
      if (Object.values(view).some((place) => place !== 'ended')) throw new Error('somebody sleeps for ever');
      const taken = served.slice(0, requests.length - dropped);
      if (ends === undefined && taken.some((times) => times !== 1)) throw new Error(`served: ${served}`);
      for (const [i, buffer] of buffers.entries()) {
        if (slotsOf(buffer).some((state) => state !== 0)) throw new Error(`slots of reader ${i}: ${slotsOf(buffer)}`);
      }
    },
  };
}
