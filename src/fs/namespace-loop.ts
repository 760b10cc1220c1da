// The loop of the namespace thread: sleeps on the bell, answers questions and requests, tidies up when idle.

import { performance } from 'node:perf_hooks';
import { errno, errnoOf, SystemError } from '../errors.js';
import { type Counters, counter, operation } from '../metrics/counters.js';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';
import type { Overlay } from '../overlay/overlay.js';
import { control } from '../overlay/shared/shared-state.js';
import { BellWaiter } from './bell-waiter.js';
import { type Channel, countOf, question } from './channel.js';
import type { FailedRequest } from './failure-log.js';
import { type NamespaceDispatch, NO_REPLY } from './namespace-dispatch.js';
import { opcode } from './protocol/constants.js';
import { operationOf } from './protocol/operations.js';
import type { Reply } from './protocol/reply.js';
import { isMountGone } from './reader-loop.js';
import type { RequestTrace } from './request-trace.js';
import { type MadeContent, VirtualLookups, type WaitingLookup } from './virtual-lookups.js';

export interface NamespaceLoopOptions {
  controlWords: Int32Array;
  channels: readonly Channel[];
  overlay: Overlay;
  dispatch: NamespaceDispatch;
  reply: Reply;
  counters: Counters;
  /** reads what the control thread has posted; content of virtual files is passed on */
  receiveMail(content: (content: MadeContent) => void): void;
  /** asks the control thread for the content of a virtual file */
  askContent(lookup: number, name: VirtualName): void;
  failed(request: FailedRequest, error: unknown): void;
  /** told of every request that is answered here; null: nobody wants to know */
  trace: RequestTrace | null;
  /** a reply did not reach the kernel */
  replyFailed(error: unknown): void;
  /** asks the control thread to sync the journal, so that removals may go on */
  syncJournal(): void;
  /** tidying up failed: the mount goes on */
  tidyFailed(error: unknown): void;
}

/** How long removed files may keep their disk space, in ms, and how many may wait for that; then every so many ms. */
const TIDY_AFTER = 1000;
const TIDY_ABOVE = 4096;
const TIDY_SOON = 50;
/** Objects removed between two looks at the requests. */
const TIDY_BATCH = 16;
/** How often lookups that wait for the control thread are looked at, in ms. */
const EXPIRE_EVERY = 1000;

/** Returns when the control thread says stop; every request posted before has been answered. */
export function runNamespaceLoop(options: NamespaceLoopOptions): void {
  const { controlWords, overlay } = options;
  const virtual = new VirtualLookups({
    ask: (lookup, name) => options.askContent(lookup, name),
    answer: (waiting, content) => answerVirtual(options, waiting, content),
  });
  const tidy = tidier(options);
  const waiter = new BellWaiter(controlWords);
  for (;;) {
    const bell = Atomics.load(controlWords, control.bell);
    // Before the channels are looked at: what was posted before it is found there.
    const stopping = Atomics.load(controlWords, control.stop) !== 0;
    const worked = serveAll(options, virtual);
    if (worked) {
      Atomics.store(controlWords, control.inodes, overlay.namespace.rows.live);
      overlay.compactJournal();
    }
    const tidied = overlay.pendingRemovals > 0 && tidy();
    const mail = Atomics.load(controlWords, control.mail) !== 0;
    if (mail) {
      Atomics.store(controlWords, control.mail, 0);
      options.receiveMail((content) => virtual.end(content));
    }
    if (worked || tidied || mail) continue;
    if (stopping) return;
    if (virtual.waiting > 0) virtual.expire();
    let timeout = overlay.pendingRemovals > 0 ? TIDY_AFTER : Number.POSITIVE_INFINITY;
    if (virtual.waiting > 0) timeout = Math.min(timeout, EXPIRE_EVERY);
    waiter.wait(bell, timeout);
  }
}

/**
 * Removes objects that nobody needs any more, a few at a time; tells whether it did. The journal has to be synced before
 * that, which may take long: somebody else does it, and rings the bell.
 */
export function tidier({
  overlay,
  syncJournal,
  tidyFailed,
}: Pick<NamespaceLoopOptions, 'overlay' | 'syncJournal' | 'tidyFailed'>): () => boolean {
  let askAgain = 0;
  let notBefore = 0;
  return () => {
    // Not the time of day, which may be set back by hours.
    const now = performance.now();
    if (now < notBefore) return false;
    try {
      if (overlay.tidy(TIDY_BATCH) > 0) return true;
    } catch (error) {
      tidyFailed(error);
      notBefore = now + TIDY_AFTER;
      return false;
    }
    const many = overlay.pendingRemovals > TIDY_ABOVE;
    if (askAgain === 0 || (many && askAgain > now + TIDY_SOON)) askAgain = now + (many ? 0 : TIDY_AFTER);
    if (now < askAgain) return false;
    askAgain = now + (many ? TIDY_SOON : TIDY_AFTER);
    syncJournal();
    return false;
  };
}

function serveAll(options: NamespaceLoopOptions, virtual: VirtualLookups): boolean {
  const { channels, overlay } = options;
  let worked = false;
  for (const channel of channels) {
    if (channel.answerQuestion((kind, row, generation, said) => answer(overlay, kind, row, generation, said)))
      worked = true;
    for (let slot = 0; slot < channel.requests.length; slot++) {
      if (!channel.isPosted(slot)) continue;
      serve(options, virtual, channel, slot);
      channel.release(slot);
      worked = true;
    }
  }
  return worked;
}

function answer(overlay: Overlay, kind: number, row: number, generation: number, said: string): string {
  switch (kind) {
    case question.describe:
      return overlay.describe(row, generation);
    case question.identify:
      return overlay.identify(row, generation, JSON.parse(said) as number[]);
    case question.loadDiff:
      return overlay.loadDiff(row, generation);
    case question.ensureObject:
      return overlay.ensureObject(row, generation);
    case question.holdUnsynced:
      return JSON.stringify(overlay.holdUnsynced(countOf(row, generation)));
    case question.release:
      overlay.forget(row, generation, 1);
      return '';
    default:
      throw new SystemError('ENOSYS');
  }
}

function serve(options: NamespaceLoopOptions, virtual: VirtualLookups, channel: Channel, slot: number): void {
  const { dispatch, counters } = options;
  const request = channel.requests[slot]!;
  const { uniqueLow, uniqueHigh } = request;
  const { device } = channel;
  const arrived = channel.arrived(slot);
  let length = 0;
  let error = 0;
  try {
    const name = request.opcode === opcode.LOOKUP ? dispatch.virtualName(request) : null;
    if (name !== null) {
      virtual.begin({ name, row: request.row, uniqueLow, uniqueHigh, device, arrived });
      return;
    }
    length = dispatch.handle(request);
  } catch (thrown) {
    error = errnoOf(thrown);
    if (error === errno.EIO) {
      counters.add(counter.errors, 1);
      options.failed(request, thrown);
    }
  }
  if (length !== NO_REPLY) send(options, { uniqueLow, uniqueHigh, device }, length, error);
  counters.answered(operationOf(request.opcode), performance.now() - arrived);
  if (options.trace !== null) options.trace(request, arrived, error === 0 ? Math.max(0, length) : -error);
}

function answerVirtual(options: NamespaceLoopOptions, waiting: WaitingLookup, content: Uint8Array | null): void {
  const { dispatch, counters } = options;
  let length = 0;
  let error: number = errno.EIO;
  try {
    if (content !== null) {
      length = dispatch.virtualEntry(waiting.name, content);
      error = 0;
    }
  } catch (thrown) {
    error = errnoOf(thrown);
    options.failed({ opcode: opcode.LOOKUP, row: waiting.row }, thrown);
  }
  if (error === errno.EIO) counters.add(counter.errors, 1);
  send(options, waiting, length, error);
  counters.answered(operation.lookup, performance.now() - waiting.arrived);
}

/** Which request of the kernel is answered, and where. */
type Recipient = Pick<WaitingLookup, 'uniqueLow' | 'uniqueHigh' | 'device'>;

function send(
  { reply, counters, replyFailed }: NamespaceLoopOptions,
  to: Recipient,
  length: number,
  error: number,
): void {
  try {
    if (error !== 0) reply.sendError(to.device, to.uniqueLow, to.uniqueHigh, error);
    else reply.send(to.device, to.uniqueLow, to.uniqueHigh, length);
  } catch (thrown) {
    if (isMountGone(thrown)) return;
    counters.add(counter.replyGone, 1);
    replyFailed(thrown);
  }
}
