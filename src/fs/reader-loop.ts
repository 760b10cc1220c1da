// The loop of a data thread: read(2) a request, answer it or hand it over, until the kernel says the mount is gone.

import { readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { type Counters, counter, operation } from '../metrics/counters.js';
import { control } from '../overlay/shared/shared-state.js';
import type { Channel } from './channel.js';
import { type DataDispatch, FORWARD } from './data-dispatch.js';
import { opcode } from './protocol/constants.js';
import { operationOf } from './protocol/operations.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';
import type { RequestTrace } from './request-trace.js';

export interface ReaderLoopOptions {
  channel: Channel;
  controlWords: Int32Array;
  dispatch: DataDispatch;
  reply: Reply;
  counters: Counters;
  /** called when no data thread is left in read(2) */
  starving(): void;
  /** a request failed in a way worth a line in the log */
  failed(request: Request, error: unknown): void;
  /** told of every request that is answered here; null: nobody wants to know */
  trace: RequestTrace | null;
}

/** Returns when the mount is gone (ENODEV). Throws only on what nobody expected. */
export function runReaderLoop(options: ReaderLoopOptions): void {
  const { channel, controlWords, dispatch, reply, counters } = options;
  const { device } = channel;
  let slot = 0;
  for (;;) {
    channel.waitUntilFree(slot);
    const request = channel.requests[slot]!;
    Atomics.add(controlWords, control.readsBegun, 1);
    Atomics.add(controlWords, control.idleReaders, 1);
    const length = readRequest(device, request.bytes);
    const others = Atomics.sub(controlWords, control.idleReaders, 1) - 1;
    if (length === 0) return;
    if (length < 0) continue;
    const begun = performance.now();
    counters.received();
    if (others === 0 && Atomics.exchange(controlWords, control.starving, 1) === 0) options.starving();
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
    if (error === 0 && body === FORWARD) {
      if (request.opcode === opcode.INTERRUPT) {
        // Advisory: the interrupted operation finishes and answers by itself.
        counters.answered(operation.interrupt, performance.now() - begun);
        continue;
      }
      channel.post(slot, begun);
      slot = 1 - slot;
      continue;
    }
    try {
      if (error !== 0) reply.sendError(device, low, high, error);
      else reply.send(device, low, high, body);
    } catch (thrown) {
      if (isMountGone(thrown)) return;
      counters.add(counter.replyGone, 1);
      options.failed(request, thrown);
    }
    counters.answered(operationOf(request.opcode), performance.now() - begun);
    if (options.trace !== null) options.trace(request, begun, error === 0 ? body : -error);
  }
}

const EIO = 5;

/** Bytes of the request; 0: the mount is gone; -1: nothing this time. */
function readRequest(device: number, buffer: Uint8Array): number {
  try {
    return readSync(device, buffer, 0, buffer.length, null);
  } catch (error) {
    if (isMountGone(error)) return 0;
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT: the request was interrupted before it was read.
    if (code === 'EINTR' || code === 'EAGAIN' || code === 'ENOENT') return -1;
    throw error;
  }
}

export function isMountGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENODEV';
}
