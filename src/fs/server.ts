// One mount in this process: starts the threads, mounts, grows the readers on demand, and ends in the right order.

import { closeSync } from 'node:fs';
import { memberIds } from '../backup/index.js';
import { given } from '../given.js';
import { createCounters } from '../metrics/counters.js';
import type { VirtualName } from '../overlay/namespace/virtual-file.js';
import { control, encodeChange, SharedState, stop } from '../overlay/shared/shared-state.js';
import { ChainSentry } from './chain-sentry.js';
import { ringBell } from './channel.js';
import { backendInfo, type Connection, connect, endByForce, mountError, takeAway } from './connection.js';
import { EarlyWriteback } from './early-writeback.js';
import { checkOpenFiles } from './fd-limit.js';
import { JournalSync } from './journal-sync.js';
import { forgetClients, hasKernelClients } from './kernel-clients.js';
import { KernelWriteback } from './kernel-writeback.js';
import { LowLatency } from './low-latency.js';
import { NamespaceControl } from './namespace-control.js';
import { MAX_THREADS, ReaderPool } from './reader-pool.js';
import { ActivityLog } from './report/activity.js';
import { LiveReport } from './report/mount-report.js';
import { saveCounters } from './report/saved-counters.js';
import { type BackendInfo, DEFAULT_CACHE_SIZE, type ServeOptions, type Server } from './serve-types.js';

/** After a failure: ms until threads that have not ended are stopped, and until nobody waits for them any more. */
const STOP_AFTER = 300;
const GIVE_UP_AFTER = 1200;

/** Serves one mount. Made by serveMount. */
class MountServer implements Server {
  readonly done: Promise<void>;
  readonly report: LiveReport;
  readonly #options: ServeOptions;
  readonly #shared = SharedState.create(createCounters());
  readonly #readers: ReaderPool;
  readonly #namespace: NamespaceControl;
  readonly #sentry: ChainSentry;
  readonly #activity: ActivityLog;
  readonly #lowLatency: LowLatency | undefined;
  readonly #journalSync: JournalSync;
  readonly #writeback = new EarlyWriteback();
  readonly #kernelWriteback = new KernelWriteback((path) => this.#writeback.start(path));
  #connection: Connection | null = null;
  /** no further readers: the mount is gone, or has failed */
  #ending = false;
  #mountGone = false;
  #failure: Error | null = null;
  /** the kernel goes on writing objects although the mount has ended */
  #inUse = false;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#shared.indexLimit = options.cacheSize ?? DEFAULT_CACHE_SIZE;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever started the mount may look at `done` later than it fails.
    this.done.catch(() => undefined);
    this.#sentry = new ChainSentry(options.chain, options.log, (change) => {
      Atomics.store(this.#shared.control, control.chainChanged, change === null ? 0 : encodeChange(change));
    });
    this.#readers = new ReaderPool(this.#shared, options.log, {
      channel: (buffers) => this.#namespace.post(buffers),
      suspect: () => this.#sentry.look(),
      writeBack: (path) => this.#writeback.start(path),
      ended: (gone) => this.#readerEnded(gone),
      failed: (error) => this.#fail(error),
    });
    this.#activity = new ActivityLog(this.#shared.buffers.counters, options.log, options.activitySeconds);
    if (options.lowLatency)
      this.#lowLatency = new LowLatency(this.#shared.buffers.counters, this.#shared.control, options.log);
    this.#journalSync = new JournalSync(this.#shared.control, (error) => {
      if (error !== null && !this.#ending) options.log.error(`sync of the journal: ${error.message}`);
      ringBell(this.#shared.control);
    });
    const backend = (): BackendInfo | undefined => this.backend;
    const threads = (): number => this.#readers.started;
    this.report = new LiveReport(options, this.#shared, {
      get backend() {
        return backend();
      },
      get threads() {
        return threads();
      },
    });
    const { chain, wal, diff, mountpoint, uid, gid, afterPowerLoss, diffLimit, noWal, listCache } = options;
    this.#namespace = new NamespaceControl(this.#shared, {
      ...{ chain, wal, diff, mountpoint, uid, gid, afterPowerLoss, diffLimit, noWal, listCache },
      log: options.log.settings,
    });
  }

  get backend(): BackendInfo {
    return { ...backendInfo(this.#connection), ...given({ lowLatencyFault: this.#lowLatency?.fault }) };
  }

  /** Opens backup and diff, mounts, and starts reading. Rejects with nothing mounted and no thread running. */
  async start(): Promise<void> {
    const objects = await this.#openOverlay();
    const { mountpoint, chain, diff, perfUnsafe = false, materializeOnRead, verify, log, threads } = this.#options;
    try {
      this.#connection = connect(this.#options);
      const { device, passthrough, features } = this.#connection;
      // Before the kernel gets an answer to anything but INIT.
      Atomics.store(this.#shared.control, control.passthrough, Number(passthrough));
      const settings = {
        objects,
        chain: memberIds(chain),
        readOnly: diff === null,
        perfUnsafe,
        materializeOnRead,
        verify,
        openless: features.openless && !passthrough,
        log: log.settings,
      };
      this.#readers.start(device, settings, threads);
    } catch (error) {
      this.#ending = true;
      if (this.#connection !== null) {
        takeAway(mountpoint);
        if (!this.#readers.wasStarted) closeSync(this.#connection.device);
      }
      if (this.#readers.size === 0) this.#stopNamespace();
      await this.done.catch(() => undefined);
      throw mountError(error);
    }
    const { protocol, features, readAhead } = this.backend;
    this.#sentry.start();
    this.#activity.start();
    this.#lowLatency?.start();
    log.info('mounted', {
      threads: this.#readers.started,
      protocol,
      features: features.join(','),
      readAhead: readAhead ?? undefined,
    });
  }

  #openOverlay(): Promise<string> {
    return this.#namespace.open({
      syncJournal: () => this.#journalSync.start(),
      kernelWrites: (path, open) => this.#kernelWrites(path, open),
      content: (lookup, name) => void this.#makeContent(lookup, name),
      failed: (error) => this.#fail(error),
      ended: (unexpected) => {
        if (unexpected !== null && this.#failure === null) this.#fail(unexpected);
        saveCounters(this.#options.diff, this.#shared.buffers.counters, this.#options.log);
        if (this.#readers.size === 0) this.#allEnded();
      },
    });
  }

  #kernelWrites(path: string, open: boolean): void {
    if (this.#options.perfUnsafe) return;
    if (open) this.#kernelWriteback.opened(path);
    else this.#kernelWriteback.closed(path);
  }

  /** Never rejects: whoever waits for the file gets an error instead. */
  async #makeContent(lookup: number, name: VirtualName): Promise<void> {
    let content: Uint8Array | null = null;
    try {
      content = await this.report.content(name);
    } catch (error) {
      this.#options.log.error(`making the virtual file ${name}: ${(error as Error).message}`);
    }
    this.#namespace.post({ lookup, content });
  }

  #readerEnded(gone: boolean): void {
    this.#ending = true;
    if (gone) this.#mountGone = true;
    if (this.#readers.size === 0) this.#afterReaders();
  }

  #afterReaders(): void {
    this.#sentry.stop();
    this.#activity.stop();
    this.#lowLatency?.stop();
    this.#kernelWriteback.stop();
    if (this.#namespace.hasEnded) this.#allEnded();
    else this.#stopNamespace();
  }

  /** Only now: the namespace thread has answered what the readers had left to it, on the numbers of these devices. */
  #allEnded(): void {
    this.#readers.closeDevices();
    this.#settle();
  }

  /** After a failure the diff stays as it is, like after a kill: what is in memory is not to be trusted. */
  #stopNamespace(): void {
    let how: number = stop.close;
    if (this.#failure !== null) how = stop.abandon;
    else if (this.#leavesClients()) how = stop.leave;
    this.#namespace.stop(how);
  }

  /** Whether programs go on writing files: this mount was ended by force under them, or began by force although they did. */
  #leavesClients(): boolean {
    const { diff, log } = this.#options;
    if (diff === null) return false;
    try {
      this.#inUse = hasKernelClients(diff);
    } catch {
      this.#inUse = true;
    }
    if (this.#inUse)
      log.warn('programs still have files of the diff open, and may write to them: it stays unmounted until they end');
    return this.#inUse;
  }

  #settle(): void {
    if (this.#failure !== null) {
      this.#reject(this.#failure);
      return;
    }
    const { diff } = this.#options;
    if (diff !== null && !this.#inUse) forgetClients(diff);
    this.#resolve();
  }

  /**
   * Something broke that must not: no more answers, so that nobody gets a wrong one and nobody waits. Readers in
   * read(2) end with the mount. Those that wait for a thread that has died, for an answer or for a ticket, never would:
   * they are stopped.
   */
  #fail(error: Error): void {
    this.#options.log.error(`${error.stack ?? error.message}`);
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#ending = true;
    this.#readers.close();
    if (!this.#readers.wasStarted) return;
    if (!this.#mountGone) endByForce(this.#options.mountpoint, this.#connection?.number, this.#options.log);
    setTimeout(() => {
      this.#readers.terminate();
      // It gives the readers their last answers, unless it hangs.
      setTimeout(() => this.#namespace.terminate(), STOP_AFTER).unref();
    }, STOP_AFTER).unref();
    setTimeout(() => this.#settle(), GIVE_UP_AFTER).unref();
  }
}

/** Mounts and serves in this process; see {@link ServeOptions}. Resolves once the mount can be used. */
export async function serveMount(options: ServeOptions): Promise<Server> {
  checkOpenFiles(MAX_THREADS);
  const server = new MountServer(options);
  await server.start();
  return server;
}
