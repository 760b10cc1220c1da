// The signals by which a person or the system asks a process to end, and can be answered.

import { constants } from 'node:os';

export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Exit status of a process that a signal has ended, as shells name it. */
export function statusOfSignal(name: NodeJS.Signals): number {
  return 128 + constants.signals[name];
}
