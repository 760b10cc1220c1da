// A mount from its request to its end, in the process that serves it.

import { messageOf } from '../../errors.js';
import { given } from '../../given.js';
import { createLogger, type Logger, type LogSettings } from '../../log.js';
import { abortMount } from '../../sys/fuse-mount.js';
import { selfIdentity } from '../../sys/process-identity.js';
import { notifyManager, openJournal } from '../../sys/systemd.js';
import { startPrefetch } from '../prefetch/prefetch.js';
import { unregister } from '../registry.js';
import type { MountedInfo, MountRequest } from '../request.js';
import { announce } from './announce.js';
import { bringUp, type ServedMount } from './bring-up.js';
import { LastResort } from './last-resort.js';
import { LogFile } from './log-file.js';
import { makeReady, stoppedEarly } from './make-ready.js';
import { lockMountpoint } from './mountpoint-lock.js';
import { checkPidFile, removePidFile } from './pid-file.js';
import { type PreparedMount, prepareMount } from './prepare.js';
import type { ServeMount } from './serve.js';
import { walOf } from './serve-options.js';
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

/** A mount that is up, and where it logs. */
interface Mounted extends ServedMount {
  readonly request: MountRequest;
  readonly prepared: PreparedMount;
  readonly log: Logger;
  readonly logFile?: LogFile;
}

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
  const mounted = await mountOrUndo(request, prepared, serve, caller, lastResort);
  const { server, log } = mounted;
  const { mountpoint } = prepared.paths;
  lastResort.arm(log, (error) => {
    if (stopper.inPlace) abortMount(mountpoint);
    attempt(() => prepared.claim.mark('failed', messageOf(error)));
    caller.crashed(error);
  });
  const ended = settle(server.done);
  void server.done.finally(() => notifyManager('STOPPING=1')).catch(() => undefined);
  stopper.mounted(mountpoint, log);
  const unready = await settle(makeReady(request, prepared, mounted.recovery));
  // Who asked before may have found it busy with that.
  if (unready !== undefined || stopper.requested) {
    stopper.stop('it does not get ready');
    await finish(mounted, ended, lastResort);
    throw unready === undefined ? stoppedEarly(mountpoint) : unready.error;
  }
  if (request.prefetch !== undefined) prefetch(mounted, stopper);
  const untold = await settle(tellCaller(mounted, caller));
  if (untold !== undefined) {
    log.error('the mount cannot be announced and ends', { error: messageOf(untold.error) });
    stopper.stop('nobody waits for the mount');
    await finish(mounted, ended, lastResort);
    throw untold.error;
  }
  prepared.claim.keepSpare();
  if (mounted.logFile !== undefined) followLog(mounted.logFile, caller);
  return finish(mounted, ended, lastResort);
}

/** @throws PbkfsError when one of the steps fails; what those before it did is undone then */
async function mountOrUndo(
  request: MountRequest,
  prepared: PreparedMount,
  serve: ServeMount,
  caller: Caller,
  lastResort: LastResort,
): Promise<Mounted> {
  const { paths, claim } = prepared;
  let unlock: () => void = () => undefined;
  try {
    unlock = lockMountpoint(paths.mountpoint);
    if (paths.pidFile !== undefined) checkPidFile(paths.pidFile);
    const logFile = paths.logFile === undefined ? undefined : new LogFile(paths.logFile);
    const log = createLogger(logSettings(request, logFile));
    lastResort.arm(log, (error) => {
      abortMount(paths.mountpoint);
      attempt(() => claim.rollback());
      caller.crashed(error);
    });
    return { request, prepared, log, ...given({ logFile }), ...(await bringUp(request, prepared, serve, log)) };
  } catch (error) {
    if (paths.pidFile !== undefined) removePidFile(paths.pidFile);
    if (!lastResort.tripped) claim.rollback();
    throw error;
  } finally {
    unlock();
  }
}

function prefetch({ prepared: { paths, chain }, log }: Mounted, stopper: Stopper): void {
  const { segmentSize } = walOf(paths.catalog, chain.instance);
  stopper.usedBy(startPrefetch(paths.mountpoint, chain.target, segmentSize, log));
}

/** @throws what `announce` does */
function tellCaller({ request, prepared, keeper, server, metrics, log }: Mounted, caller: Caller): Promise<void> {
  const known = { request, prepared, warnings: keeper.warnings, server: server.backend, log };
  return announce({ ...known, ...given({ metricsAddress: metrics?.address }) }, (info) =>
    caller.mounted(info, log.settings.fd),
  );
}

/** Waits for the end and puts it on record. @returns the exit status */
async function finish(mounted: Mounted, ended: Promise<Failure | undefined>, lastResort: LastResort): Promise<number> {
  const { prepared, keeper, metrics, log } = mounted;
  const { mountpoint, pidFile } = prepared.paths;
  const failure = await ended;
  metrics?.close();
  await keeper.release();
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
  if (pidFile !== undefined) removePidFile(pidFile);
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
