// Ctrl-C while a copy is being made: it fails like any other, so that its target is emptied and the diff is closed.

import { PbkfsError } from '../../errors.js';
import { statusOfSignal } from '../../sys/ending-signals.js';
import { heededSignals } from '../../sys/hangup.js';

class Interrupted extends PbkfsError {
  readonly #signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super('export_failed', `${signal}: the copy was not made`);
    this.#signal = signal;
  }

  override get exitStatus(): number {
    return statusOfSignal(this.#signal);
  }
}

/**
 * Waits for work. A signal that asks this process to end stops it first; the same one again ends the process at once.
 * @param stop makes the work come to its end soon
 * @throws Interrupted
 */
export async function interruptible<T>(work: Promise<T>, stop: () => void): Promise<T> {
  const signals = heededSignals();
  let interrupted: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal;
    stop();
  };
  for (const name of signals) process.once(name, interrupt);
  try {
    return await work;
  } finally {
    for (const name of signals) process.off(name, interrupt);
    // biome-ignore lint/correctness/noUnsafeFinally: what the work says then is only that it was stopped
    if (interrupted !== undefined) throw new Interrupted(interrupted);
  }
}
