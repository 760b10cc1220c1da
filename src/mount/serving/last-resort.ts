// When everything else has failed: an error nobody caught must end in a log line and a dead process, not a stuck mount.

import type { Logger } from '../../log.js';

/**
 * How long the threads of a process get to end, in looks at the clock and ms between them: ten seconds, and longer on a
 * machine that is so busy that this thread is late for its looks, since the others are late then too.
 */
const LOOKS = 100;
const LOOK_MS = 100;

/**
 * Kills this process if it has not ended by itself in time. Neither process.exit nor an uncaught error ends a
 * process one of whose threads sits in read(2) on the FUSE device.
 */
export function killAfterGrace(looks = LOOKS): void {
  let left = looks;
  setInterval(() => {
    if (--left === 0) process.kill(process.pid, 'SIGKILL');
  }, LOOK_MS).unref();
}

/** Catches what nobody caught. */
export class LastResort {
  #tripped = false;
  #log: Logger | undefined;
  #onFatal: (error: unknown) => void;

  /** @param onFatal must not throw; tells whoever waits for the mount and takes it away */
  constructor(onFatal: (error: unknown) => void) {
    this.#onFatal = onFatal;
    // Rejections nobody handles arrive here too.
    process.on('uncaughtException', (error) => this.#trip(error));
  }

  /** Whether it has happened: the state of this process is not to be trusted any more. */
  get tripped(): boolean {
    return this.#tripped;
  }

  /** Where to write the error, and what to do from now on. */
  arm(log: Logger, onFatal: (error: unknown) => void): void {
    this.#log = log;
    this.#onFatal = onFatal;
  }

  #trip(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log?.error('uncaught error, the mount ends', { error: text });
    process.exitCode = 1;
    killAfterGrace();
    if (this.#tripped) return;
    this.#tripped = true;
    this.#onFatal(error);
  }
}
