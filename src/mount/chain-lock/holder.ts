// Starting the process that holds the locks: also before it is known which ones, since a process takes its time to come up.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Ending, endOf, keepRunning } from '../child-process.js';

const HOLDER = new URL('./holder-process.js', import.meta.url);

export interface Holder {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
}

let spare: Holder | undefined;

/** The next mount of this process takes this holder. */
export function offerHolder(holder: Holder): void {
  spare = holder;
}

/** The holder that was started before, or a new one. @param name for ps */
export function takeHolder(name: string): Holder {
  const holder = spare ?? startHolder(name);
  spare = undefined;
  keepRunning(holder.child, true);
  return holder;
}

/** Ends a holder that nobody has taken. */
export function dismissSpareHolder(): void {
  if (spare?.child.connected) spare.child.disconnect();
  spare = undefined;
}

/** Starts a holder, which ends with this process, asked for locks or not. @param name for ps */
export function startHolder(name: string): Holder {
  // Its own session: Ctrl-C in the terminal is not for it.
  const child = spawn(process.execPath, [fileURLToPath(HOLDER), name], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // Before anybody waits for its answer it keeps nothing running.
  keepRunning(child, false);
  return { child, ended: endOf(child) };
}
