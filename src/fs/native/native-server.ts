// A mount through fuse-native instead of the kernel protocol: names and data in this one thread, which libfuse calls.

import { memberIds } from '../../backup/index.js';
import { PbkfsError } from '../../errors.js';
import { given } from '../../given.js';
import { Counters, createCounters } from '../../metrics/counters.js';
import { DataEngine } from '../../overlay/data/data-engine.js';
import { identified } from '../../overlay/data/identified.js';
import { Overlay } from '../../overlay/overlay.js';
import { control, encodeChange, SharedState } from '../../overlay/shared/shared-state.js';
import { abortMount } from '../../sys/fuse-mount.js';
import { ChainSentry } from '../chain-sentry.js';
import { failureLog } from '../failure-log.js';
import { checkOpenFiles, fdLimitPerThread } from '../fd-limit.js';
import { JournalSync } from '../journal-sync.js';
import { LowLatency } from '../low-latency.js';
import { tidier } from '../namespace-loop.js';
import { ActivityLog } from '../report/activity.js';
import { LiveReport } from '../report/mount-report.js';
import { saveCounters } from '../report/saved-counters.js';
import { type BackendInfo, DEFAULT_CACHE_SIZE, type ServeOptions, type Server } from '../serve-types.js';
import { sourceName } from '../source-name.js';
import { loadNativeLibrary, type NativeLibrary } from './binding.js';
import { NativeDispatch } from './native-dispatch.js';
import { NativeSession } from './native-session.js';

/** Of a file name that fuse-native copies into fields of 1024 bytes. */
const MAX_OPTION_BYTES = 1000;
const TIDY_EVERY = 100;
/** How long the kernel may take to say hello, in ms. */
const HELLO = 10_000;

/** libfuse 2.9 speaks 7.19 and asks the kernel for nothing newer. */
const LIBRARY = { backend: 'fuse-native', protocol: '7.19', features: [], readAhead: null } as const;

class NativeServer implements Server {
  readonly backend: BackendInfo;
  done: Promise<void> = Promise.resolve();
  readonly report: LiveReport;
  readonly #options: ServeOptions;
  readonly #activity: ActivityLog;
  readonly #lowLatency: LowLatency | undefined;
  readonly #shared = SharedState.create(createCounters());
  readonly #counters = new Counters(this.#shared.buffers.counters, 0);
  readonly #sentry: ChainSentry;
  readonly #overlay: Overlay;
  readonly #engine: DataEngine;
  readonly #session: NativeSession;
  readonly #library: NativeLibrary;
  #tidyTimer: NodeJS.Timeout | undefined;

  constructor(options: ServeOptions, library: NativeLibrary) {
    this.#options = options;
    this.#library = library;
    const { chain, log, diff, uid, gid } = options;
    const shared = this.#shared;
    shared.indexLimit = options.cacheSize ?? DEFAULT_CACHE_SIZE;
    const warn = (message: string): void => log.warn(message);
    const failed = failureLog(log);
    this.#sentry = new ChainSentry(chain, log, (change) => {
      Atomics.store(shared.control, control.chainChanged, change === null ? 0 : encodeChange(change));
    });
    this.#activity = new ActivityLog(shared.buffers.counters, log, options.activitySeconds);
    if (options.lowLatency) this.#lowLatency = new LowLatency(shared.buffers.counters, shared.control, log);
    this.backend = { ...LIBRARY, ...given({ lowLatencyFault: this.#lowLatency?.fault }) };
    this.report = new LiveReport(options, shared, { backend: this.backend, threads: 1 });
    const overlay = new Overlay(shared, { ...options, warn });
    this.#overlay = overlay;
    this.#engine = new DataEngine({
      shared,
      counters: this.#counters,
      objects: overlay.objects.directory,
      chain: memberIds(chain),
      fdLimit: fdLimitPerThread(1),
      materializeOnRead: options.materializeOnRead,
      verify: options.verify,
      namespace: {
        describe: (row, generation) => identified(overlay, row, generation),
        loadDiff: (row, generation) => void overlay.loadDiff(row, generation),
        ensureObject: (row, generation) => void overlay.ensureObject(row, generation),
        holdUnsynced: (after) => overlay.holdUnsynced(after),
        release: (row, generation) => overlay.forget(row, generation, 1),
      },
      warn,
      suspect: () => this.#sentry.look(),
    });
    this.#session = new NativeSession({
      library,
      dispatch: new NativeDispatch({
        overlay,
        engine: this.#engine,
        shared,
        diff,
        owner: { uid, gid },
        perfUnsafe: options.perfUnsafe ?? false,
        content: (name) => this.report.content(name),
        warn,
      }),
      counters: this.#counters,
      failed: (operation, path, error) => failed(`${operation} of ${path}`, error),
    });
  }

  /** Mounts. Rejects with nothing mounted and the diff closed. */
  async start(): Promise<void> {
    const { mountpoint, log } = this.#options;
    const hello = setTimeout(() => abortMount(mountpoint), HELLO);
    try {
      await this.#session.mount(mountpoint, mountOptions(this.#options));
    } catch (error) {
      this.#close();
      throw new PbkfsError('mount_failed', `libfuse could not mount ${mountpoint}`, {
        hint: 'it has said why on standard error; without root the package fuse3 is needed (apt-get install fuse3)',
        cause: error,
      });
    } finally {
      clearTimeout(hello);
    }
    this.#tidyTimer = this.#tidyRegularly();
    this.#sentry.start();
    this.#activity.start();
    this.#lowLatency?.start();
    log.info('mounted', { backend: 'fuse-native', version: this.#library.version, libfuse: this.#library.libfuse });
    this.done = this.#session.ended.then(() => this.#end());
    // Whoever started the mount may look at it later than it fails.
    this.done.catch(() => undefined);
  }

  #end(): void {
    clearInterval(this.#tidyTimer);
    this.#sentry.stop();
    this.#activity.stop();
    this.#lowLatency?.stop();
    this.#close();
    saveCounters(this.#options.diff, this.#shared.buffers.counters, this.#options.log);
  }

  #close(): void {
    this.#engine.close();
    this.#overlay.close();
  }

  #tidyRegularly(): NodeJS.Timeout {
    const { log } = this.#options;
    const journalSync = new JournalSync(this.#shared.control, (error) => {
      if (error !== null) log.error(`sync of the journal: ${error.message}`);
    });
    const tidy = tidier({
      overlay: this.#overlay,
      syncJournal: () => journalSync.start(),
      tidyFailed: (error) => log.error(`removing what nobody needs: ${(error as Error).message}`),
    });
    return setInterval(() => {
      this.#overlay.compactJournal();
      Atomics.store(this.#shared.control, control.inodes, this.#overlay.namespace.rows.live);
      while (this.#overlay.pendingRemovals > 0 && tidy());
    }, TIDY_EVERY).unref();
  }
}

/** Options of libfuse 2.9: what the kernel protocol's server asks for itself, as far as they go. */
function mountOptions(serve: ServeOptions): string {
  const { allowOther, mountpoint, diff } = serve;
  const options = [
    // The kernel checks modes and owners.
    'default_permissions',
    // Our inode numbers, so that hard links are known by them.
    'use_ino',
    // Pages stay over a close as long as length and mtime are the same; status files have new ones.
    'auto_cache',
    'big_writes',
    'subtype=pbkfs',
    `fsname=${escapeOption(sourceName(serve))}`,
    ...(allowOther ? ['allow_other'] : []),
    ...(diff === null ? ['ro'] : []),
  ];
  const text = options.join(',');
  for (const value of [mountpoint, text]) {
    if (Buffer.byteLength(value) > MAX_OPTION_BYTES || value.includes('\ufffd')) {
      throw new PbkfsError('mountpoint_unusable', `fuse-native cannot mount on ${mountpoint}`, {
        hint: `it takes paths of at most ${MAX_OPTION_BYTES} bytes of UTF-8; use the kernel backend`,
      });
    }
  }
  return text;
}

/** A comma would end the value. */
function escapeOption(value: string): string {
  return value.replace(/[\\,]/g, '\\$&');
}

/** Mounts and serves in this thread, through fuse-native. Resolves once the mount can be used. */
export async function serveNativeMount(options: ServeOptions): Promise<Server> {
  // What could refuse the mount comes before the diff is touched.
  checkOpenFiles(1);
  const library = loadNativeLibrary();
  mountOptions(options);
  const server = new NativeServer(options, library);
  await server.start();
  return server;
}
