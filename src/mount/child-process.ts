// What is asked of every program of ours that this process starts: to say that it has come up, and how it ended.

import type { ChildProcess } from 'node:child_process';
import { THREADS_HINT } from '../sys/thread-limits.js';
import { isAsleep } from '../sys/thread-state.js';

/** What such a program sends first of all, over Node's IPC channel. */
interface Hello {
  readonly kind: 'hello';
}

/** Says that this program has come up. Whoever started it may have gone. */
export function sayHello(): void {
  const hello: Hello = { kind: 'hello' };
  process.send?.(hello, undefined, undefined, () => undefined);
}

/** What such a program answers: its first message behind the hello. Never, when it ends before that. */
export function answerOf<Answer extends { readonly kind: string }>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve) => {
    child.on('message', (message: Hello | Answer) => {
      if (message.kind !== 'hello') resolve(message as Answer);
    });
  });
}

export interface Ending {
  /** In words. */
  readonly how: string;
  /** What to do, where that can be told from here: it has not come up. */
  readonly hint?: string;
}

/** A program that has not said hello for so long, in ms, is looked at, each time a tenth of that passes. */
const PATIENCE_MS = 40_000;
/** It is stuck when none of its threads wanted a processor or a disk, so many times in a row. */
const STUCK_TIMES = 5;

/**
 * How it ended; also when it could not be started. Node waits for ever for threads of its own that it may not have (a limit
 * of processes), before any code of ours runs: a program that gets stuck so is ended. One that comes up slowly is not.
 */
export function endOf(child: ChildProcess, patience = PATIENCE_MS): Promise<Ending> {
  let cameUp = false;
  let stuck = false;
  let asleep = 0;
  const look = (): void => {
    asleep = isAsleep(child.pid!) ? asleep + 1 : 0;
    stuck = asleep === STUCK_TIMES;
    if (stuck) child.kill('SIGKILL');
    else timer = setTimeout(look, patience / 10).unref();
  };
  // Unreferenced: whoever waits for the child keeps that referenced.
  let timer = setTimeout(look, patience).unref();
  child.once('message', () => {
    cameUp = true;
    clearTimeout(timer);
  });
  return new Promise((resolve) => {
    const ended = (how: string, killed = false): void => {
      clearTimeout(timer);
      resolve(cameUp || killed ? { how } : { how, hint: THREADS_HINT });
    };
    child.once('exit', (status, signal) => {
      if (stuck) ended('at its start, where it got stuck');
      else if (signal === null) ended(`with status ${status}`);
      else ended(`by ${signal}`, signal === 'SIGKILL');
    });
    child.once('error', (error) => ended(`at its start: ${error.message}`));
  });
}

/** Whether this process waits for the child before it ends by itself. */
export function keepRunning(child: ChildProcess, keep: boolean): void {
  if (keep) {
    child.ref();
    child.channel?.ref();
  } else {
    child.unref();
    child.channel?.unref();
  }
}
