// The namespace thread: hears what it is to serve, opens backup and diff, serves until the mount ends, then closes the diff.

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { loadCrc } from '../backup/crc.js';
import type { Chain } from '../backup/index.js';
import { hintOf, PbkfsError } from '../errors.js';
import { createLogger, type LogSettings } from '../log.js';
import { Counters } from '../metrics/counters.js';
import type { WalLocation } from '../overlay/namespace/served-wal.js';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';
import { Overlay } from '../overlay/overlay.js';
import { control, type SharedBuffers, SharedState, stop } from '../overlay/shared/shared-state.js';
import { registerBackingFile, releaseBackingFile } from '../sys/fuse-device.js';
import { loadLibc } from '../sys/libc.js';
import { Channel, type ChannelBuffers } from './channel.js';
import { requestFailureLog } from './failure-log.js';
import { NamespaceDispatch } from './namespace-dispatch.js';
import { runNamespaceLoop } from './namespace-loop.js';
import { MAX_TRANSFER } from './protocol/constants.js';
import { Reply } from './protocol/reply.js';
import { requestTrace } from './request-trace.js';
import type { MadeContent } from './virtual-lookups.js';

/** What it knows from the start. */
export interface NamespaceThreadStart {
  /** its number */
  thread: number;
}

/** What it is told once it is known what is mounted. */
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
  diffLimit: number | undefined;
  noWal: boolean | undefined;
  listCache: string | undefined;
  log: LogSettings;
  /** what the control thread sends, see NamespaceMail */
  mail: MessagePort;
}

/** What the thread tells the control thread. */
export type NamespaceMessage =
  | { type: 'ready'; objects: string }
  | { type: 'sync-journal' }
  | { type: 'kernel-writes'; path: string; open: boolean }
  | { type: 'content'; lookup: number; name: VirtualName }
  | { type: 'failed'; code: string; message: string; hint: string | undefined };

/** What arrives in its mail: the channel of a new data thread, or the content of a virtual file. */
export type NamespaceMail = ChannelBuffers | MadeContent;

const { thread } = workerData as NamespaceThreadStart;
const post = (message: NamespaceMessage): void => parentPort!.postMessage(message);

function serve(data: NamespaceThreadData): void {
  try {
    const log = createLogger(data.log);
    const shared = new SharedState(data.shared);
    const counters = new Counters(data.shared.counters, thread);
    const overlay = new Overlay(shared, { ...data, warn: (message) => log.warn(message) });
    const reply = new Reply(MAX_TRANSFER);
    const channels: Channel[] = [];
    post({ type: 'ready', objects: overlay.objects.directory });
    runNamespaceLoop({
      controlWords: shared.control,
      channels,
      overlay,
      dispatch: new NamespaceDispatch(overlay, reply, data.diff, (message) => log.warn(message)),
      reply,
      counters,
      receiveMail: (content) => {
        for (;;) {
          const received = receiveMessageOnPort(data.mail);
          if (received === undefined) return;
          const mail = received.message as NamespaceMail;
          if ('lookup' in mail) {
            content(mail);
            continue;
          }
          const channel = new Channel(mail, shared.control);
          if (channels.length === 0) useKernel(overlay, channel.device);
          channels.push(channel);
        }
      },
      askContent: (lookup, name) => post({ type: 'content', lookup, name }),
      failed: requestFailureLog(log),
      trace: requestTrace(log, thread),
      replyFailed: (error) => log.error(`a reply did not reach the kernel: ${(error as Error).message}`),
      syncJournal: () => post({ type: 'sync-journal' }),
      tidyFailed: (error) => log.error(`removing what nobody needs any more: ${(error as Error).message}`),
    });
    const how = Atomics.load(shared.control, control.stop);
    if (how !== stop.abandon) overlay.close(how === stop.leave);
  } catch (error) {
    const { message } = error as Error;
    const known = error instanceof PbkfsError;
    if (!known) createLogger(data.log).error(`namespace thread: ${(error as Error).stack ?? message}`);
    post({ type: 'failed', code: known ? error.code : 'internal', message, hint: hintOf(error) });
  } finally {
    data.mail.close();
  }
}

/** @param device of the connection: any does */
function useKernel(overlay: Overlay, device: number): void {
  overlay.passthrough.use({
    register: (fd) => registerBackingFile(device, fd),
    release: (id) => releaseBackingFile(device, id),
    writes: (path, open) => post({ type: 'kernel-writes', path, open }),
  });
}

parentPort!.once('message', (data: NamespaceThreadData | null) => {
  // Nobody needs it: it ends.
  if (data !== null) serve(data);
});

// What every mount needs is loaded while this thread waits; what cannot be fails when it is needed.
for (const load of [loadCrc, loadLibc]) {
  try {
    load();
  } catch {
    // Then.
  }
}
