// Ctrl-C while a copy is being made: it fails like any other, so that its target is emptied and the diff is closed.

import { constants } from 'node:os';
import { PbkfsError } from '../../errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Interrupted extends PbkfsError {
  readonly #signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super('export_failed', `${signal}: the copy was not made`);
    this.#signal = signal;
  }

  /** As shells name the end by a signal. */
  override get exitStatus(): number {
    return 128 + constants.signals[this.#signal];
  }
}

/**
 * Waits for work. A signal that asks this process to end stops it first; the same one again ends the process at once.
 * @param stop makes the work come to its end soon
 * @throws Interrupted
 */
export async function interruptible<T>(work: Promise<T>, stop: () => void): Promise<T> {
  let interrupted: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal;
    stop();
  };
  for (const name of SIGNALS) process.once(name, interrupt);
  try {
    return await work;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
    // biome-ignore lint/correctness/noUnsafeFinally: what the work says then is only that it was stopped
    if (interrupted !== undefined) throw new Interrupted(interrupted);
  }
}
