// The loop of a data thread: read(2) a request, answer it or hand it over, until the kernel says the mount is gone.

import { readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { type Counters, counter, operation } from '../metrics/counters.js';
import { control } from '../overlay/shared/shared-state.js';
import type { Channel } from './channel.js';
import { type DataDispatch, FORWARD } from './data-dispatch.js';
import { HANDOVER_BYTES, type HandoverQueue } from './handover-queue.js';
import { opcode } from './protocol/constants.js';
import { operationOf } from './protocol/operations.js';
import type { Reply } from './protocol/reply.js';
import { Request } from './protocol/request.js';
import type { RequestTrace } from './request-trace.js';
import type { RestingReaders } from './resting-readers.js';

export interface ReaderLoopOptions {
  channel: Channel;
  /** what the last thread in read(2) leaves to the others */
  handover: HandoverQueue;
  /** where those sleep who are not needed in read(2) */
  resting: RestingReaders;
  controlWords: Int32Array;
  dispatch: DataDispatch;
  reply: Reply;
  counters: Counters;
  /** called when no data thread is left in read(2), but for one that leaves what may take long to the others */
  starving(): void;
  /** a request failed in a way worth a line in the log */
  failed(request: Request, error: unknown): void;
  /** told of every request that is answered here; null: nobody wants to know */
  trace: RequestTrace | null;
}

/** Returns when the mount is gone (ENODEV). Throws only on what nobody expected. */
export function runReaderLoop(options: ReaderLoopOptions): void {
  try {
    readAndServe(options);
  } finally {
    options.resting.end();
  }
}

function readAndServe(options: ReaderLoopOptions): void {
  const { channel, controlWords, counters, handover, resting } = options;
  const isWanted = (): boolean => Atomics.load(controlWords, control.idleReaders) === 0 || handover.waiting > 0;
  const { device } = channel;
  const taken = new Request(new ArrayBuffer(HANDOVER_BYTES));
  let slot = 0;
  for (;;) {
    channel.waitUntilFree(slot);
    if (handover.waiting === 0 && resting.enough(Atomics.load(controlWords, control.idleReaders)))
      resting.rest(isWanted);
    if (handover.enter(taken)) {
      const outcome = serve(options, taken, handover.device, handover.arrived, performance.now());
      if (outcome === GONE) return;
      if (outcome === POSTED) throw new Error(`opcode ${taken.opcode} was handed over and is for the namespace thread`);
      continue;
    }
    const request = channel.requests[slot]!;
    Atomics.add(controlWords, control.readsBegun, 1);
    const length = readRequest(device, request.bytes);
    handover.begin();
    const others = Atomics.sub(controlWords, control.idleReaders, 1) - 1;
    if (length === 0) return;
    if (length < 0) {
      handover.end();
      continue;
    }
    const begun = performance.now();
    counters.received();
    if (!resting.left(others, begun)) {
      if (Atomics.exchange(controlWords, control.starving, 1) === 0) options.starving();
      if (mayBeLong(options, request, begun) && handover.push(request, device, begun)) {
        handover.end();
        continue;
      }
    }
    const outcome = serve(options, request, device, begun, begun);
    if (outcome === GONE) return;
    if (outcome === POSTED) {
      channel.post(slot, begun);
      slot = 1 - slot;
    }
  }
}

/** How a request ended: with a reply, with none because the mount is gone, or it is for the namespace thread. */
type Outcome = typeof ANSWERED | typeof GONE | typeof POSTED;
const ANSWERED = 0;
const GONE = 1;
const POSTED = 2;

/** Whether a request that any data thread can answer may take long enough to keep others waiting. */
function mayBeLong({ dispatch, handover }: ReaderLoopOptions, request: Request, now: number): boolean {
  switch (request.opcode) {
    case opcode.READ:
      return !handover.readsAreQuick(now) && dispatch.readsData(request);
    case opcode.FSYNC:
    case opcode.FSYNCDIR:
      return true;
    default:
      return false;
  }
}

/**
 * Answers a request, for which `begin` was called, on the device it was read from.
 * @param arrived when it was read, by this thread's performance.now()
 * @param begun when this thread turned to it
 */
function serve(options: ReaderLoopOptions, request: Request, device: number, arrived: number, begun: number): Outcome {
  const { dispatch, handover, reply, counters } = options;
  const low = request.uniqueLow;
  const high = request.uniqueHigh;
  let body = 0;
  let error = 0;
  try {
    body = dispatch.handle(request);
  } catch (thrown) {
    error = dispatch.errorOf(thrown);
    if (error === EIO) options.failed(request, thrown);
  }
  handover.end();
  if (error === 0 && body === FORWARD) {
    if (request.opcode !== opcode.INTERRUPT) return POSTED;
    // Advisory: the interrupted operation finishes and answers by itself.
    counters.answered(operation.interrupt, performance.now() - arrived);
    return ANSWERED;
  }
  try {
    if (error !== 0) reply.sendError(device, low, high, error);
    else reply.send(device, low, high, body);
  } catch (thrown) {
    if (isMountGone(thrown)) return GONE;
    counters.add(counter.replyGone, 1);
    options.failed(request, thrown);
  }
  const now = performance.now();
  counters.answered(operationOf(request.opcode), now - arrived);
  if (request.opcode === opcode.READ) handover.served(now - begun, now);
  if (options.trace !== null) options.trace(request, arrived, error === 0 ? body : -error);
  return ANSWERED;
}

const EIO = 5;

/** Bytes of the request; 0: the mount is gone; -1: nothing this time. */
function readRequest(device: number, buffer: Uint8Array): number {
  try {
    return readSync(device, buffer, 0, buffer.length, null);
  } catch (error) {
    if (isMountGone(error)) return 0;
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT: the request was interrupted before it was read. ECONNABORTED: the connection ended while this thread took a
    // request, such as the RELEASE of the last file of a mount that was detached (fuse_dev_do_read); ENODEV comes next.
    if (code === 'EINTR' || code === 'EAGAIN' || code === 'ENOENT' || code === 'ECONNABORTED') return -1;
    throw error;
  }
}

export function isMountGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENODEV';
}
