// The mount process's side of a background mount: takes the request, mounts, reports, turns to its log and serves.

import { dup2 } from '../../sys/libc.js';
import { sayHello } from '../child-process.js';
import type { ToLauncher, ToMountProcess } from '../launch-messages.js';
import type { MountRequest } from '../request.js';
import { toWire } from '../wire-error.js';
import { killAfterGrace } from './last-resort.js';
import { runMount } from './lifecycle.js';
import type { ServeMount } from './serve.js';
import { Stopper, stopOnSignals } from './stop-signals.js';

/** Runs a background mount to its end and sets the exit status. Only for a process started by launchMount. */
export async function runBackgroundMount(serve: ServeMount): Promise<void> {
  // A working directory keeps its file system busy.
  process.chdir('/');
  const stopper = new Stopper();
  stopOnSignals(stopper, 'ignore');
  const launcher = new Launcher(stopper);
  try {
    process.exitCode = await runMount(await launcher.request, serve, launcher, stopper);
  } catch (error) {
    process.exitCode = 1;
    launcher.failed(error);
  }
  killAfterGrace();
}

/** The process that waits at the other end of the IPC channel. */
class Launcher {
  readonly foreground = false;
  readonly request: Promise<MountRequest>;
  #acknowledged = false;

  constructor(stopper: Stopper) {
    this.request = new Promise((resolve) => {
      process.once('message', (message) => {
        const { kind, request } = message as Extract<ToMountProcess, { kind: 'request' }>;
        if (kind === 'request') resolve(request);
      });
    });
    // A launcher that was interrupted has told its caller that nothing is mounted.
    process.once('disconnect', () => {
      if (!this.#acknowledged) stopper.stop('the launcher has gone');
    });
    sayHello();
  }

  async mounted(info: Extract<ToLauncher, { kind: 'mounted' }>['info'], logFd: number): Promise<void> {
    if (!process.connected) throw new Error('the launcher has gone');
    // Before the answer: the terminal (or a pipe somebody reads to its end) must be free when the launcher returns.
    dup2(logFd, 1);
    dup2(logFd, 2);
    const acknowledged = new Promise<void>((resolve, reject) => {
      process.once('message', () => {
        this.#acknowledged = true;
        resolve();
      });
      process.once('disconnect', () => reject(new Error('the launcher has gone')));
    });
    this.#send({ kind: 'mounted', info });
    await acknowledged;
    if (process.connected) process.disconnect();
  }

  failed(error: unknown): void {
    this.#send({ kind: 'failed', error: toWire(error) });
    if (process.connected) process.disconnect();
  }

  crashed(error: unknown): void {
    if (!this.#acknowledged) this.failed(error);
  }

  #send(message: ToLauncher): void {
    if (process.connected) process.send?.(message);
  }
}
