// A PostgreSQL server that was started: wait until it is ready, stop it, crash it, leave it.

import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { identityOf, type ProcessIdentity } from '../sys/process-identity.js';
import { type PrivateDir, removePrivateDir } from './private-dir.js';
import { childrenOf, killAll } from './processes.js';

/** How a client reaches the server; any database role will do, `postgres` exists as a rule. */
export interface ConnectionParameters {
  readonly host: string;
  readonly port: number;
}

/** pg_ctl's names: wait for clients, disconnect them, or leave at once without a checkpoint. */
export type StopMode = 'smart' | 'fast' | 'immediate';

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const STOP_TIMEOUT_MS = 120_000;
const POLL_MS = 20;
const LOG_TAIL_BYTES = 64 * 1024;

const running = new Set<PostgresServer>();
process.on('exit', () => {
  for (const server of running) server.abandon();
});

/** A started server. It ends by {@link stop} or {@link crash}; when this process exits it is shut down at once. */
export class PostgresServer {
  readonly connection: ConnectionParameters;
  readonly #child: ChildProcess;
  readonly #files: PrivateDir;
  readonly #dataDir: string;
  readonly #ended: Promise<string>;
  #end: string | undefined;
  #log = '';

  constructor(child: ChildProcess, files: PrivateDir, dataDir: string, port: number) {
    this.#child = child;
    this.#files = files;
    this.#dataDir = dataDir;
    this.connection = { host: files.socketDir, port };
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(`could not be started: ${error.message}`));
      child.once('exit', (status, signal) => resolve(signal === null ? `exit status ${status}` : `signal ${signal}`));
    });
    running.add(this);
    void this.#ended.then((end) => {
      this.#end = end;
      this.#log = this.log();
      running.delete(this);
      removePrivateDir(files);
    });
  }

  /** The postmaster's process id. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The last 64 KiB of what the server wrote to its log. */
  log(): string {
    if (this.#log !== '') return this.#log;
    try {
      return readFileSync(this.#files.logFile).subarray(-LOG_TAIL_BYTES).toString();
    } catch {
      return '';
    }
  }

  /** Waits like pg_ctl: the postmaster writes its state into line 8 of postmaster.pid. */
  async waitUntilReady(timeout: number, waiting?: (server: PostgresServer) => void): Promise<void> {
    const deadline = performance.now() + timeout;
    while (!(await this.#isReady())) {
      if (this.#end !== undefined) throw this.#failure(`the server did not start: ${this.#end}`);
      if (performance.now() > deadline) throw this.#failure(`the server was not ready within ${timeout / 1000} s`);
      waiting?.(this);
      await sleep(POLL_MS);
    }
  }

  /**
   * Stops the server and waits for its end.
   * @throws PbkfsError server_failed when it does not end within two minutes or ends with an error.
   */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    this.#child.kill(SIGNALS[mode]);
    const end = await Promise.race([this.#ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    if (end === undefined) {
      // What nothing may ever end must not keep this process.
      this.#child.unref();
      throw this.#failure(`the server did not stop (${mode}) within ${STOP_TIMEOUT_MS / 1000} s`);
    }
    if (mode !== 'immediate' && end !== 'exit status 0') throw this.#failure(`the server stopped with ${end}`);
  }

  /**
   * SIGKILL to the postmaster and every process of it, and waits until all are gone: a crash of the server.
   * @param patience in ms
   * @returns those that still run: they wait in the kernel
   */
  async crash(patience?: number): Promise<readonly ProcessIdentity[]> {
    const pid = this.#child.pid;
    if (pid === undefined || this.#end !== undefined) return [];
    this.#child.kill('SIGSTOP'); // no new children while we list them
    const postmaster = identityOf(pid);
    const left = await killAll([...(postmaster === undefined ? [] : [postmaster]), ...childrenOf(pid)], patience);
    if (left.some((process) => process.pid === pid)) this.#child.unref();
    else await this.#ended;
    return left;
  }

  /** Lets the server live on when this process ends. @returns its private directory, for whoever stops it */
  leave(): string {
    running.delete(this);
    this.#child.unref();
    return this.#files.path;
  }

  /** Name of the WAL segment that is being replayed, as the title of the startup process tells it. */
  replaying(): string | undefined {
    for (const { pid } of this.#child.pid === undefined ? [] : childrenOf(this.#child.pid)) {
      try {
        const title = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        const segment = /startup.*recovering ([0-9A-F]{24})/.exec(title)?.[1];
        if (segment !== undefined) return segment;
      } catch {
        // Ended meanwhile.
      }
    }
    return undefined;
  }

  /** @throws PbkfsError server_failed with the end of its log when it has ended by itself */
  mustRun(): void {
    if (this.#end !== undefined) throw this.#failure(`the server ended: ${this.#end}`);
  }

  /** For the end of this process, where nothing can be awaited: an immediate shutdown. */
  abandon(): void {
    this.#child.kill('SIGQUIT');
    removePrivateDir(this.#files);
  }

  /** Not synchronous: a data directory on a mount that stands still must not stop this process too. */
  async #isReady(): Promise<boolean> {
    let lines: string[];
    try {
      lines = (await readFile(join(this.#dataDir, 'postmaster.pid'), 'latin1')).split('\n');
    } catch {
      return false;
    }
    // A file left by a crashed server names another process. ("standby" is a server in recovery without hot standby:
    // it takes no connections yet. With hot standby it says "ready".)
    return Number(lines[0]) === this.#child.pid && lines[7]?.trim() === 'ready';
  }

  #failure(message: string): PbkfsError {
    return new PbkfsError('server_failed', message, {
      hint: `its log ends with:\n${this.log().split('\n').slice(-15).join('\n')}`,
    });
  }
}
