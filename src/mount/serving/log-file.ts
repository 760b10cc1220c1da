// The log file of a mount: opened, and opened again when logrotate has moved it away.

import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { PbkfsError } from '../../errors.js';
import { dup2 } from '../../sys/libc.js';

/** How often the file is looked at, in ms, for a rotation that nobody announces by SIGHUP. */
const LOOK_EVERY = 5000;

export class LogFile {
  /** All threads write to this descriptor, which stays the same over a rotation. */
  readonly fd: number;
  readonly #path: string;
  readonly #copies: number[] = [];

  /** @throws PbkfsError mount_failed */
  constructor(path: string) {
    this.#path = path;
    try {
      this.fd = openSync(path, 'a', 0o600);
    } catch (error) {
      throw new PbkfsError('mount_failed', `cannot open the log file: ${(error as Error).message}`, {
        hint: 'give another one with --log-file',
        cause: error,
      });
    }
  }

  /** Looks for rotations until the process ends. @param copies further descriptors that lead to the file */
  follow(copies: readonly number[]): void {
    this.#copies.push(...copies);
    setInterval(() => {
      if (this.#isMoved()) this.reopen();
    }, LOOK_EVERY).unref();
  }

  /** Opens the path again; where that fails the old file goes on. Lines are neither lost nor split. */
  reopen(): void {
    let next: number;
    try {
      next = openSync(this.#path, 'a', 0o600);
    } catch {
      return;
    }
    for (const fd of [this.fd, ...this.#copies]) dup2(next, fd);
    closeSync(next);
  }

  #isMoved(): boolean {
    try {
      const there = statSync(this.#path, { throwIfNoEntry: false });
      const open = fstatSync(this.fd);
      return there === undefined || there.ino !== open.ino || there.dev !== open.dev;
    } catch {
      return false;
    }
  }
}
