// The loop of the namespace thread: sleeps on the bell, answers questions and requests, tidies up when idle.

import { errno, errnoOf, SystemError } from '../errors.js';
import { type Counters, counter } from '../metrics/counters.js';
import type { Overlay } from '../overlay/overlay.js';
import { control } from '../overlay/shared/shared-state.js';
import { type Channel, question } from './channel.js';
import { type NamespaceDispatch, NO_REPLY } from './namespace-dispatch.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';
import { isMountGone } from './reader-loop.js';

export interface NamespaceLoopOptions {
  controlWords: Int32Array;
  channels: readonly Channel[];
  overlay: Overlay;
  dispatch: NamespaceDispatch;
  reply: Reply;
  counters: Counters;
  /** reads what the control thread has posted */
  receiveMail(): void;
  failed(request: Request, error: unknown): void;
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

/** Returns when the control thread says stop; every request posted before has been answered. */
export function runNamespaceLoop(options: NamespaceLoopOptions): void {
  const { controlWords, overlay } = options;
  const tidy = tidier(options);
  for (;;) {
    const bell = Atomics.load(controlWords, control.bell);
    const worked = serveAll(options);
    if (worked) overlay.compactJournal();
    const tidied = overlay.pendingRemovals > 0 && tidy();
    if (worked || tidied) continue;
    if (Atomics.exchange(controlWords, control.mail, 0) !== 0) {
      options.receiveMail();
      continue;
    }
    if (Atomics.load(controlWords, control.stop) !== 0) return;
    const timeout = overlay.pendingRemovals > 0 ? TIDY_AFTER : Number.POSITIVE_INFINITY;
    Atomics.wait(controlWords, control.bell, bell, timeout);
  }
}

/**
 * Removes objects that nobody needs any more, a few at a time; tells whether it did. The journal has to be synced before
 * that, which may take long: somebody else does it, and rings the bell.
 */
function tidier({ overlay, syncJournal, tidyFailed }: NamespaceLoopOptions): () => boolean {
  let askAgain = 0;
  let notBefore = 0;
  return () => {
    const now = Date.now();
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

function serveAll(options: NamespaceLoopOptions): boolean {
  const { channels, overlay } = options;
  let worked = false;
  for (const channel of channels) {
    if (channel.answerQuestion((kind, row, generation) => answer(overlay, kind, row, generation))) worked = true;
    for (let slot = 0; slot < channel.requests.length; slot++) {
      if (!channel.isPosted(slot)) continue;
      serve(options, channel, channel.requests[slot]!);
      channel.release(slot);
      worked = true;
    }
  }
  return worked;
}

function answer(overlay: Overlay, kind: number, row: number, generation: number): string {
  switch (kind) {
    case question.describe:
      return overlay.describe(row, generation);
    case question.loadDiff:
      return overlay.loadDiff(row, generation);
    case question.ensureObject:
      return overlay.ensureObject(row, generation);
    case question.holdUnsynced:
      return JSON.stringify(overlay.holdUnsynced(row));
    case question.release:
      overlay.forget(row, generation, 1);
      return '';
    default:
      throw new SystemError('ENOSYS');
  }
}

function serve(options: NamespaceLoopOptions, channel: Channel, request: Request): void {
  const { dispatch, reply, counters } = options;
  const low = request.uniqueLow;
  const high = request.uniqueHigh;
  let length = 0;
  let error = 0;
  try {
    length = dispatch.handle(request);
  } catch (thrown) {
    error = errnoOf(thrown);
    if (error === errno.EIO) {
      counters.add(counter.errors, 1);
      options.failed(request, thrown);
    }
  }
  if (length === NO_REPLY) return;
  try {
    if (error !== 0) reply.sendError(channel.device, low, high, error);
    else reply.send(channel.device, low, high, length);
  } catch (thrown) {
    if (isMountGone(thrown)) return;
    counters.add(counter.replyGone, 1);
    options.failed(request, thrown);
  }
}
