// Work that must leave nothing behind: what it makes is told to the guard process first, which takes it away when this
// process ends early, however it ends.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Belongings } from './clean-up.js';

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Guarded {
  readonly #guard: ChildProcess;
  readonly #ended: Promise<unknown>;
  #belongings: Belongings = { remove: [] };
  #interrupted = false;

  constructor() {
    // In a session of its own: Ctrl-C in the terminal is for us.
    this.#guard = spawn(process.execPath, [GUARD], { detached: true, cwd: '/', stdio: ['pipe', 'ignore', 'inherit'] });
    this.#ended = once(this.#guard, 'close');
    this.#guard.stdin?.on('error', () => undefined);
    for (const name of SIGNALS) process.on(name, this.#interrupt);
  }

  /** Whether somebody wants this to end: what fails from now on fails because of that. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** To be called before something is made. Resolves when the guard has been told. */
  async add(more: Partial<Omit<Belongings, 'remove'>> & { readonly remove?: readonly string[] }): Promise<void> {
    const remove = [...this.#belongings.remove, ...(more.remove ?? [])];
    const removeEmpty = [...(this.#belongings.removeEmpty ?? []), ...(more.removeEmpty ?? [])];
    this.#belongings = { ...this.#belongings, ...more, remove, removeEmpty };
    await this.#tell(this.#belongings);
  }

  /** All of it stays. */
  async leave(): Promise<void> {
    await this.#tell({ leave: true });
    await this.finish();
  }

  /** Takes away whatever is left, and waits for that. */
  async finish(): Promise<void> {
    // Whoever presses Ctrl-C again still waits for the end of it.
    if (!this.#interrupted) for (const name of SIGNALS) process.off(name, this.#interrupt);
    this.#guard.stdin?.end();
    await this.#ended;
  }

  #tell(message: object): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#guard.stdin?.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    if (this.#interrupted) return;
    this.#interrupted = true;
    process.stderr.write(`\npbkfs: ${name}, cleaning up\n`);
    // As shells name the end by a signal; a server of ours is gone by then.
    void this.finish().then(() => process.exit(128 + constants.signals[name]));
  };
}
