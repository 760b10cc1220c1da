// Work that must leave nothing behind: what it makes is told to the guard process first, which takes it away when this
// process ends early, however it ends. A guard that is killed gets a successor; when both are killed a record on disk is
// left, for the next session or `pbkfs cleanup --sessions`.

import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endOf } from '../mount/child-process.js';
import { statusOfSignal } from '../sys/ending-signals.js';
import { heededSignals } from '../sys/hangup.js';
import { type Belongings, cleanUp, GAVE_UP } from './clean-up.js';
import { recordFile, writeRecord } from './session-record.js';

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url));
/** Somebody who kills more guards than that does not want one; the end of this process is then all that takes things away. */
const MOST_GUARDS = 10;

export class Guarded {
  #guard: ChildProcess;
  #ended: Promise<unknown>;
  #guards = 0;
  readonly #signals = heededSignals();
  #belongings: Belongings = { remove: [] };
  #finishing = false;
  #interrupted = false;

  constructor() {
    [this.#guard, this.#ended] = this.#start();
    for (const name of this.#signals) process.on(name, this.#interrupt);
  }

  /** Whether somebody wants this to end: what fails from now on fails because of that. */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Of the mount that its session has made, or is about to make. */
  get mountpoint(): string | undefined {
    return this.#belongings.mountpoint ?? this.#belongings.dataDir;
  }

  /** To be called before something is made. Resolves when the guard has been told. */
  async add(more: Partial<Omit<Belongings, 'remove'>> & { readonly remove?: readonly string[] }): Promise<void> {
    const remove = [...this.#belongings.remove, ...(more.remove ?? [])];
    const record = this.#belongings.record ?? recordFile();
    this.#belongings = { ...this.#belongings, ...more, remove, ...(record === undefined ? {} : { record }) };
    await this.#tellAll();
  }

  /** All of it stays. */
  async leave(): Promise<void> {
    this.#finishing = true;
    const { record } = this.#belongings;
    // First: a record of what shall stay must never be left.
    if (record !== undefined) rmSync(record, { force: true });
    await this.#tell({ leave: true });
    this.#belongings = { remove: [] };
    await this.finish();
  }

  /** Takes away whatever is left, and waits for that. */
  async finish(): Promise<void> {
    // Whoever presses Ctrl-C again still waits for the end of it.
    if (!this.#interrupted) for (const name of this.#signals) process.off(name, this.#interrupt);
    this.#finishing = true;
    this.#guard.stdin?.end();
    await this.#ended;
    // Killed in the middle of it, or one that could not run at all.
    const { exitCode } = this.#guard;
    if (exitCode !== 0 && exitCode !== GAVE_UP) await cleanUp(this.#belongings);
  }

  #start(): [guard: ChildProcess, ended: Promise<unknown>] {
    this.#guards++;
    // In a session of its own: Ctrl-C in the terminal is for us.
    // What there is already is told with its start: this process may end before it can say more.
    const guard = spawn(process.execPath, [GUARD, JSON.stringify(this.#belongings)], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
    });
    guard.stdin?.on('error', () => undefined);
    guard.on('exit', () => {
      if (this.#finishing || this.#guards >= MOST_GUARDS) return;
      [this.#guard, this.#ended] = this.#start();
      void this.#tellAll();
    });
    return [guard, endOf(guard)];
  }

  async #tellAll(): Promise<void> {
    writeRecord(this.#guard.pid, this.#belongings);
    await this.#tell(this.#belongings);
  }

  /** A guard that has just been killed hears nothing: its successor is told. */
  #tell(message: object): Promise<void> {
    return new Promise((resolve) => {
      this.#guard.stdin?.write(`${JSON.stringify(message)}\n`, () => resolve());
    });
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    if (this.#interrupted) return;
    this.#interrupted = true;
    process.stderr.write(`\npbkfs: ${name}, cleaning up\n`);
    // As shells name the end by a signal; a server of ours is gone by then.
    void this.finish().then(() => process.exit(statusOfSignal(name)));
  };
}
