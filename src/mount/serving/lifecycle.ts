// A mount from its request to its end, in the process that serves it.

import type { Server } from '../../fs/serve-types.js';
import { given } from '../../given.js';
import { createLogger, type Logger, type LogSettings } from '../../log.js';
import type { RecoveryConfig } from '../../postgres/recovery-config.js';
import { selfIdentity } from '../../sys/process-identity.js';
import { notifyManager, openJournal } from '../../sys/systemd.js';
import { ChainKeeper } from '../chain-lock/keeper.js';
import { startPrefetch } from '../prefetch/prefetch.js';
import { unregister } from '../registry.js';
import type { MountedInfo, MountRequest } from '../request.js';
import { abortMount } from '../stale.js';
import { announce } from './announce.js';
import { LastResort } from './last-resort.js';
import { LogFile } from './log-file.js';
import { makeReady, stoppedEarly } from './make-ready.js';
import { MetricsEndpoint } from './metrics-endpoint.js';
import { lockMountpoint } from './mountpoint-lock.js';
import { checkPidFile, removePidFile } from './pid-file.js';
import { type PreparedMount, prepareMount } from './prepare.js';
import { recoveryFor } from './recovery.js';
import { loadLoggingSoon, loadMeanwhile, type ServeMount } from './serve.js';
import { serveOptions, walOf } from './serve-options.js';
import type { Stopper } from './stop-signals.js';

/** Whoever started the mount. */
export interface Caller {
  /** Without a log file in the request the log goes to the terminal. */
  readonly foreground: boolean;
  /**
   * The mount is ready. When this rejects, the mount ends.
   * @param logFd descriptor of the log
   */
  mounted(info: MountedInfo, logFd: number): Promise<void>;
  /** An error nobody caught will end this process. Must not throw. */
  crashed(error: unknown): void;
}

const STDOUT = 1;
const STDERR = 2;

/**
 * Prepares, mounts, serves until the mount is gone, and cleans up. The diff stays locked until this process ends.
 * @throws PbkfsError when the mount did not come up; diff and directories are as before then
 * @returns the exit status: 0 after a clean end, 1 when serving or the last sync failed
 */
export async function runMount(
  request: MountRequest,
  serve: ServeMount,
  caller: Caller,
  stopper: Stopper,
): Promise<number> {
  const lastResort = new LastResort((error) => caller.crashed(error));
  const prepared = prepareMount(request, caller.foreground);
  const { paths } = prepared;
  let log: Logger;
  let logFile: LogFile | undefined;
  let server: Server;
  let keeper: ChainKeeper | undefined;
  let recovery: RecoveryConfig | undefined;
  let metrics: MetricsEndpoint | undefined;
  let unlock: () => void = () => undefined;
  try {
    unlock = lockMountpoint(paths.mountpoint);
    if (paths.pidFile !== undefined) checkPidFile(paths.pidFile);
    if (paths.logFile !== undefined) logFile = new LogFile(paths.logFile);
    log = createLogger(logSettings(request, logFile));
    lastResort.arm(log, (error) => {
      abortMount(paths.mountpoint);
      attempt(() => prepared.claim.rollback());
      caller.crashed(error);
    });
    const { metricsListen } = request;
    if (metricsListen !== undefined) metrics = await MetricsEndpoint.open(metricsListen, paths.mountpoint);
    const locking = ChainKeeper.lock(prepared.chain, log);
    loadMeanwhile(request.backend);
    keeper = await locking;
    const chain = prepared.recheck();
    recovery = recoveryFor(request, paths.catalog, chain, prepared.claim.fresh, prepared.claim.unwritten);
    if (recovery !== undefined) prepared.claim.willWrite(recovery);
    const starting = serve(serveOptions(request, paths, chain, keeper, metrics?.address, log));
    // The thread of names reads the lists now.
    loadLoggingSoon();
    server = await starting;
    metrics?.serve(server.report);
  } catch (error) {
    metrics?.close();
    await keeper?.release();
    if (paths.pidFile !== undefined) removePidFile(paths.pidFile);
    if (!lastResort.tripped) prepared.claim.rollback();
    throw error;
  } finally {
    unlock();
  }
  lastResort.arm(log, (error) => {
    if (stopper.inPlace) abortMount(paths.mountpoint);
    attempt(() => prepared.claim.mark('failed', messageOf(error)));
    caller.crashed(error);
  });
  const ended = settle(server.done);
  void server.done.finally(() => notifyManager('STOPPING=1')).catch(() => undefined);
  stopper.mounted(paths.mountpoint, log);
  const unready = await settle(makeReady(request, prepared, recovery));
  // Who asked before may have found it busy with that.
  if (unready !== undefined || stopper.requested) stopper.stop('it does not get ready');
  if (stopper.requested) {
    await ended;
    metrics?.close();
    await keeper.release();
    finish(prepared, await ended, lastResort, log);
    if (unready !== undefined) throw unready.error;
    throw stoppedEarly(paths.mountpoint);
  }
  const { target, instance } = prepared.chain;
  if (request.prefetch !== undefined)
    stopper.usedBy(startPrefetch(paths.mountpoint, target, walOf(paths.catalog, instance).segmentSize, log));
  try {
    const known = { request, prepared, warnings: keeper.warnings, server: server.backend, log };
    await announce({ ...known, ...given({ metricsAddress: metrics?.address }) }, (info) =>
      caller.mounted(info, log.settings.fd),
    );
  } catch (error) {
    log.error('the mount cannot be announced and ends', { error: messageOf(error) });
    stopper.stop('nobody waits for the mount');
  }
  prepared.claim.keepSpare();
  if (logFile !== undefined) followLog(logFile, caller);
  await ended;
  metrics?.close();
  await keeper.release();
  return finish(prepared, await ended, lastResort, log);
}

function finish(prepared: PreparedMount, failure: Failure | undefined, lastResort: LastResort, log: Logger): number {
  const { mountpoint } = prepared.paths;
  let status = 0;
  if (failure !== undefined) {
    status = 1;
    // The mount is gone or dead already; whatever is mounted there by now is not ours to touch.
    log.error('the mount failed', { error: messageOf(failure.error) });
    attempt(() => prepared.claim.mark('failed', messageOf(failure.error)));
  } else if (lastResort.tripped) {
    status = 1;
  } else {
    try {
      prepared.claim.mark('clean');
    } catch (error) {
      status = 1;
      log.error('cannot record the clean end', { error: messageOf(error) });
    }
  }
  if (prepared.paths.pidFile !== undefined) removePidFile(prepared.paths.pidFile);
  attempt(() => unregister(mountpoint, selfIdentity()));
  log.info('unmounted', { status });
  return status;
}

function logSettings({ log = {} }: MountRequest, file: LogFile | undefined): LogSettings {
  const { level = 'info', format = 'text', sink } = log;
  if (sink === 'journald') return { fd: openJournal('pbkfs'), format: 'journal', level };
  return { fd: file?.fd ?? STDERR, format, level };
}

function followLog(file: LogFile, caller: Caller): void {
  // A background process has turned its standard output and error to the log.
  file.follow(caller.foreground ? [] : [STDOUT, STDERR]);
  if (!caller.foreground) process.on('SIGHUP', () => file.reopen());
}

interface Failure {
  readonly error: unknown;
}

/** How a promise ended. Attached at once, so that an early rejection is not "unhandled". */
function settle(promise: Promise<void>): Promise<Failure | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

/** On the way down every step is tried, whatever the others did. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // The first failure is the one that gets reported.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
