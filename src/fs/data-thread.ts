// A data thread: a worker whose whole life is one blocking loop on a device descriptor of its own.

import { parentPort, workerData } from 'node:worker_threads';
import type { VerifyMode } from '../backup/index.js';
import { createLogger, LineLimit, type LogSettings } from '../log.js';
import { Counters } from '../metrics/counters.js';
import { DataEngine } from '../overlay/data/data-engine.js';
import { type DescribedFiles, identified } from '../overlay/data/identified.js';
import type { HeldFiles } from '../overlay/data/namespace-calls.js';
import { objectPaths } from '../overlay/diff/index.js';
import { type SharedBuffers, SharedState } from '../overlay/shared/shared-state.js';
import { threadId } from '../sys/thread-state.js';
import { Channel, type ChannelBuffers, question, wordsOf } from './channel.js';
import { DataDispatch } from './data-dispatch.js';
import { requestFailureLog } from './failure-log.js';
import { HandoverQueue } from './handover-queue.js';
import { MAX_TRANSFER } from './protocol/constants.js';
import { Reply } from './protocol/reply.js';
import { runReaderLoop } from './reader-loop.js';
import { requestTrace } from './request-trace.js';
import { RestingReaders } from './resting-readers.js';

export interface DataThreadData {
  thread: number;
  shared: SharedBuffers;
  channel: ChannelBuffers;
  handover: SharedArrayBuffer;
  resting: SharedArrayBuffer;
  objects: string;
  /** ids of the backups, FULL first */
  chain: readonly string[];
  fdLimit: number;
  /** every change is refused with EROFS */
  readOnly: boolean;
  /** nothing is synced before the end of the mount */
  perfUnsafe: boolean;
  materializeOnRead: boolean;
  verify: VerifyMode;
  openless: boolean;
  /** where lines go that this thread, which never returns to its event loop, has to say */
  log: LogSettings;
}

/**
 * What the thread tells the control thread: it reads from now on, and is the thread of this number; no data thread is
 * left in read(2); bytes of the backup are not what they should be; the data of the object at a path may go to the disk.
 */
export type DataMessage = { readonly reading: number | null } | { readonly writeBack: string } | 'starving' | 'suspect';

const data = workerData as DataThreadData;
const post = (message: DataMessage): void => parentPort?.postMessage(message);
const shared = new SharedState(data.shared);
const channel = new Channel(data.channel, shared.control);
const counters = new Counters(data.shared.counters, data.thread);
const reply = new Reply(MAX_TRANSFER);

const log = createLogger(data.log);
const warnings = new LineLimit(50);

const files: DescribedFiles = {
  describe: (row, generation) => channel.ask(question.describe, row, generation),
  identify: (row, generation, identities) =>
    channel.ask(question.identify, row, generation, JSON.stringify(identities)),
};

const engine = new DataEngine({
  shared,
  counters,
  objects: data.objects,
  chain: data.chain,
  fdLimit: data.fdLimit,
  materializeOnRead: data.materializeOnRead,
  verify: data.verify,
  namespace: {
    describe: (row, generation) => identified(files, row, generation),
    loadDiff: (row, generation) => void channel.ask(question.loadDiff, row, generation),
    ensureObject: (row, generation) => void channel.ask(question.ensureObject, row, generation),
    holdUnsynced: (after) => JSON.parse(channel.ask(question.holdUnsynced, ...wordsOf(after))) as HeldFiles,
    release: (row, generation) => void channel.ask(question.release, row, generation),
  },
  warn: (message) => warnings.pass((fields) => log.warn(message, fields)),
  suspect: () => post('suspect'),
  ...(data.perfUnsafe
    ? {}
    : { writeBack: (objectId: string) => post({ writeBack: objectPaths(data.objects, objectId).data }) }),
});

post({ reading: threadId() });
runReaderLoop({
  channel,
  handover: new HandoverQueue(data.handover, shared.control),
  resting: new RestingReaders(data.resting),
  controlWords: shared.control,
  dispatch: new DataDispatch(shared.table, engine, reply, counters, data),
  reply,
  counters,
  starving: () => post('starving'),
  failed: requestFailureLog(log),
  trace: requestTrace(log, data.thread),
});
engine.close();
