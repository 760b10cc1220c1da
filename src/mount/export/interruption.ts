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

/** Waits for the work, or for a signal that asks this process to end. Who began the work has to stop it then. @throws Interrupted */
export async function orInterrupted<T>(work: Promise<T>): Promise<T> {
  let interrupt: (signal: NodeJS.Signals) => void;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (signal) => reject(new Interrupted(signal));
    for (const name of SIGNALS) process.once(name, interrupt);
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt!);
  }
}
