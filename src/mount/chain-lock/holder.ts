// Starting the process that holds the locks: also before it is known which ones, since a process takes its time to come up.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endOf, keepRunning } from '../child-process.js';

const HOLDER = new URL('./holder-process.js', import.meta.url);

export interface Holder {
  readonly child: ChildProcess;
  /** How it ended. */
  readonly ended: Promise<string>;
}

let spare: Holder | undefined;

/** Starts a holder for the chain that this process is going to lock. It ends with this process, asked for or not. */
export function startSpareHolder(): void {
  spare = startHolder('starting');
  keepRunning(spare.child, false);
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

function startHolder(name: string): Holder {
  // Its own session: Ctrl-C in the terminal is not for it.
  const child = spawn(process.execPath, [fileURLToPath(HOLDER), name], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return { child, ended: endOf(child) };
}
