// What is asked of every process that this one starts.

import type { ChildProcess } from 'node:child_process';

/** How it ended, in words; also when it could not be started. */
export function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (status, signal) => resolve(signal === null ? `with status ${status}` : `by ${signal}`));
    child.once('error', (error) => resolve(`at its start: ${error.message}`));
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
