// The namespace thread: opens backup and diff, then serves until the mount ends, then closes the diff cleanly.

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Chain } from '../backup/index.js';
import { PbkfsError } from '../errors.js';
import { createLogger } from '../log.js';
import { Counters } from '../metrics/counters.js';
import type { WalLocation } from '../overlay/namespace/wal-directory.js';
import { Overlay } from '../overlay/overlay.js';
import { control, type SharedBuffers, SharedState, stop } from '../overlay/shared/shared-state.js';
import { Channel, type ChannelBuffers } from './channel.js';
import { NamespaceDispatch } from './namespace-dispatch.js';
import { runNamespaceLoop } from './namespace-loop.js';
import { MAX_TRANSFER, opcodeName } from './protocol/constants.js';
import { Reply } from './protocol/reply.js';

export interface NamespaceThreadData {
  shared: SharedBuffers;
  chain: Chain;
  wal: WalLocation;
  /** null: read-only */
  diff: string | null;
  mountpoint: string;
  uid: number;
  gid: number;
  afterPowerLoss: boolean;
  chainLock: string;
  logFd: number;
  /** new channels arrive here */
  mail: MessagePort;
}

/** What the thread tells the control thread. */
export type NamespaceMessage =
  | { type: 'ready'; objects: string }
  | { type: 'sync-journal' }
  | { type: 'closed' }
  | { type: 'failed'; code: string; message: string; hint: string | undefined };

const data = workerData as NamespaceThreadData;
const post = (message: NamespaceMessage): void => parentPort!.postMessage(message);

try {
  const log = createLogger(data.logFd);
  const shared = new SharedState(data.shared);
  const counters = new Counters(data.shared.counters, 0);
  const overlay = new Overlay(shared, { ...data, warn: (message) => log.warn(message) });
  const reply = new Reply(MAX_TRANSFER);
  const channels: Channel[] = [];
  post({ type: 'ready', objects: overlay.objects.directory });
  runNamespaceLoop({
    controlWords: shared.control,
    channels,
    overlay,
    dispatch: new NamespaceDispatch(overlay, reply, counters, data.diff),
    reply,
    counters,
    receiveMail: () => {
      for (;;) {
        const mail = receiveMessageOnPort(data.mail);
        if (mail === undefined) return;
        channels.push(new Channel(mail.message as ChannelBuffers, shared.control));
      }
    },
    failed: (request, error) => {
      log.error(`${opcodeName(request.opcode)} of inode row ${request.row}: ${(error as Error).message}`);
    },
    syncJournal: () => post({ type: 'sync-journal' }),
    tidyFailed: (error) => log.error(`removing what nobody needs any more: ${(error as Error).message}`),
  });
  if (Atomics.load(shared.control, control.stop) === stop.close) overlay.close();
  post({ type: 'closed' });
} catch (error) {
  const { message } = error as Error;
  const known = error instanceof PbkfsError;
  if (!known) createLogger(data.logFd).error(`namespace thread: ${(error as Error).stack ?? message}`);
  post({ type: 'failed', code: known ? error.code : 'internal', message, hint: known ? error.hint : undefined });
} finally {
  data.mail.close();
}
