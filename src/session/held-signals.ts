// Signals that come when only a moment's work is left, which nobody would know of afterwards.

import { heededSignals } from '../sys/hangup.js';

/**
 * Does `work`; a signal that asks this process to end does so at once while `mayEnd` says so, else when the work is done.
 */
export async function holdingSignals<T>(mayEnd: () => boolean, work: () => Promise<T>): Promise<T> {
  const signals = heededSignals();
  let asked: NodeJS.Signals | undefined;
  const end = (signal: NodeJS.Signals): void => {
    for (const name of signals) process.off(name, hear);
    process.kill(process.pid, signal);
  };
  const hear = (signal: NodeJS.Signals): void => {
    if (mayEnd()) end(signal);
    else asked = signal;
  };
  for (const name of signals) process.on(name, hear);
  try {
    return await work();
  } finally {
    for (const name of signals) process.off(name, hear);
    if (asked !== undefined) end(asked);
  }
}
