// The scratch directory of a run and everything that must be undone at its end, newest first.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Teardown } from '../../test/support/postgres.js';

export class Stage implements Teardown {
  /** Empty at the start, removed at the end; others may pass through it. */
  readonly directory: string;
  readonly #undo: (() => unknown)[] = [];
  #numbers = 0;

  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.directory = mkdtempSync(join(parent, 'pbkfs-bench-'));
    chmodSync(this.directory, 0o711);
    this.#undo.push(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  teardown(handler: () => unknown): void {
    this.#undo.push(handler);
  }

  /** A new empty directory, mode 0755. */
  make(name: string): string {
    const made = join(this.directory, `${++this.#numbers}-${name}`);
    mkdirSync(made);
    chmodSync(made, 0o755);
    return made;
  }

  /** Undoes what was done since; what goes wrong on the way does not stop the rest. */
  async clear(): Promise<void> {
    for (let step = this.#undo.pop(); step !== undefined; step = this.#undo.pop()) {
      try {
        await step();
      } catch (error) {
        process.stderr.write(`bench: while cleaning up: ${(error as Error).message}\n`);
      }
    }
  }

  /** Runs something whose undoing shall not wait for the end of the run. */
  async act<T>(act: (stage: Stage) => Promise<T>): Promise<T> {
    const own = new Stage(this.directory);
    try {
      return await act(own);
    } finally {
      await own.clear();
    }
  }
}
