// A PostgreSQL server on a data directory: start with safe settings, wait until ready, stop, crash.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PbkfsError } from '../errors.js';
import { isAlive } from '../sys/process-identity.js';
import { readControlFile } from './control-file.js';
import type { ServerBinaries } from './find-server.js';
import { makePrivateDir, openLog, type PrivateDir, removePrivateDir } from './private-dir.js';
import { inNamespace, type PathBinding } from './private-namespace.js';
import { childrenOf, killHard } from './processes.js';
import { type ConfiguredRecovery, type Recovery, requestRecovery } from './recovery.js';
import { safeSettings } from './safe-settings.js';
import { cannotBecome, type ServerUser, spawnIds } from './server-user.js';

export interface StartOptions {
  readonly dataDir: string;
  readonly binaries: ServerBinaries;
  readonly user: ServerUser;
  /** More settings; those that keep the server away from production cannot be changed. */
  readonly settings?: Readonly<Record<string, string>>;
  /** shared_preload_libraries; none where it is missing. */
  readonly preload?: string;
  /** Archive recovery; without it the server starts on what the data directory holds. */
  readonly recovery?: Recovery | ConfiguredRecovery;
  /** Milliseconds until the server must answer queries. Default 120 000: replay takes its time. */
  readonly startTimeout?: number;
  /** Port in the name of its socket; 5432 where it is missing. */
  readonly port?: number;
  /** Where its socket lies instead of the private directory; the server's user must be able to write there. */
  readonly socketDir?: string;
  /** Directories of the mount that the server sees at absolute paths of this host; only for root. */
  readonly bindings?: readonly PathBinding[];
  /** Called with the private directory before the server is started, for whoever cleans up after us. */
  readonly starting?: (privateDir: string) => Promise<void>;
  /** Called again and again while the server is not ready. */
  readonly waiting?: (server: PostgresServer) => void;
}

/** How a client reaches the server; any database role will do, `postgres` exists as a rule. */
export interface ConnectionParameters {
  readonly host: string;
  readonly port: number;
}

/** pg_ctl's names: wait for clients, disconnect them, or leave at once without a checkpoint. */
export type StopMode = 'smart' | 'fast' | 'immediate';

const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
const PORT = 5432;
const STOP_TIMEOUT_MS = 120_000;
const POLL_MS = 20;
const LOG_TAIL_BYTES = 64 * 1024;

const running = new Set<PostgresServer>();
process.on('exit', () => {
  for (const server of running) server.abandon();
});

/**
 * Starts a server and waits until it accepts connections (with `action: 'pause'`: read-only ones).
 * @throws PbkfsError server_failed with the end of its log when it ends or does not get ready in time.
 */
export async function startServer(options: StartOptions): Promise<PostgresServer> {
  const control = await readControlFile(options.dataDir);
  const made = makePrivateDir(options.user);
  const files = options.socketDir === undefined ? made : { ...made, socketDir: options.socketDir };
  let server: PostgresServer;
  try {
    await options.starting?.(files.path);
    const settings = safeSettings({
      major: options.binaries.major,
      dataDir: options.dataDir,
      files,
      port: options.port ?? PORT,
      control,
      recovery: options.recovery,
      extra: options.settings,
      preload: options.preload,
    });
    if (options.recovery !== undefined && options.recovery.target !== 'configured')
      requestRecovery(options.dataDir, options.user);
    server = new PostgresServer(
      spawnPostmaster(options, files, settings),
      files,
      options.dataDir,
      options.port ?? PORT,
    );
  } catch (error) {
    removePrivateDir(files);
    throw error;
  }
  try {
    await server.waitUntilReady(options.startTimeout ?? 120_000, options.waiting);
  } catch (error) {
    await server.crash();
    throw error;
  }
  return server;
}

function spawnPostmaster(options: StartOptions, files: PrivateDir, settings: Record<string, string>): ChildProcess {
  const log = openLog(files);
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { bindings = [], user, dataDir } = options;
  const command: [string, string[]] = [join(options.binaries.binDir, 'postgres'), ['-D', dataDir, ...args]];
  const stage = join(files.path, 'root');
  if (bindings.length > 0) mkdirSync(stage);
  const [program, all] =
    bindings.length === 0 ? command : inNamespace(bindings, user, stage, dataDir, [command[0], ...command[1]]);
  try {
    return spawn(program, all, {
      ...(bindings.length === 0 ? spawnIds(user) : {}),
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', log, log],
      // Ctrl-C in the terminal is for us: we stop the server in order.
      detached: true,
    });
  } catch (error) {
    throw ['EPERM', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '') ? cannotBecome(user, error) : error;
  } finally {
    closeSync(log);
  }
}

/** A started server. It ends by {@link stop} or {@link crash}; when this process exits it is shut down at once. */
export class PostgresServer {
  readonly connection: ConnectionParameters;
  readonly #child: ChildProcess;
  readonly #files: PrivateDir;
  readonly #dataDir: string;
  readonly #ended: Promise<string>;
  #end: string | undefined;
  #log = '';

  constructor(child: ChildProcess, files: PrivateDir, dataDir: string, port = PORT) {
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
    if (end === undefined) throw this.#failure(`the server did not stop (${mode}) within ${STOP_TIMEOUT_MS / 1000} s`);
    if (mode !== 'immediate' && end !== 'exit status 0') throw this.#failure(`the server stopped with ${end}`);
  }

  /** SIGKILL to the postmaster and every process of it, and waits until all are gone: a crash of the server. */
  async crash(): Promise<void> {
    const pid = this.#child.pid;
    if (pid === undefined || this.#end !== undefined) return;
    this.#child.kill('SIGSTOP'); // no new children while we list them
    const children = childrenOf(pid);
    this.#child.kill('SIGKILL');
    for (const child of children) killHard(child);
    await this.#ended;
    while (children.some(isAlive)) await sleep(POLL_MS);
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
