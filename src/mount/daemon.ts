// The launcher's side of a background mount: starts the mount process and returns once it is mounted or has failed.

import type { ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { PbkfsError } from '../errors.js';
import { answerOf, type Ending, keepRunning } from './child-process.js';
import { cureStale } from './cure-stale.js';
import type { ToLauncher, ToMountProcess } from './launch-messages.js';
import type { MountedInfo, MountRequest } from './request.js';
import { type MountProcess, startMountProcess } from './start-process.js';
import { fromWire } from './wire-error.js';
import { within } from './within.js';

/**
 * Mounts in a new background process.
 * @param started a mount process that waits for a request, started for this mount point
 * @param timeout ms to wait for the mount; then its process is ended, and what it had mounted is taken away
 * @throws PbkfsError whatever kept the process from mounting, also its sudden death; it has ended then
 */
export async function launchMount(
  request: MountRequest,
  { child, ended }: MountProcess = startMountProcess(request.mountpoint),
  timeout?: number,
): Promise<MountedInfo> {
  keepRunning(child, true);
  const answering = firstOf(child, ended, { kind: 'request', request }).catch((error: unknown) => {
    try {
      // It may have been killed when it had mounted.
      cureStale(resolve(request.mountpoint));
    } catch {
      // A server that outlived an earlier mount is not why this one failed.
    }
    throw error;
  });
  const answer = timeout === undefined ? await answering : await within(answering, timeout);
  if (answer === undefined) {
    const late = `the mount was not ready within ${timeout! / 1000} s`;
    if (!(await end(child, ended))) {
      throw new PbkfsError('mount_failed', `${late}, and its process ${child.pid} does not end, not even by SIGKILL`, {
        hint: 'storage that does not answer, most likely, which the kernel waits for: the process ends when that does, and nothing stays mounted',
      });
    }
    cureStale(resolve(request.mountpoint));
    throw new PbkfsError('mount_failed', `${late}; nothing is mounted`, {
      hint: 'a slow catalog, most likely: give it more time with --timeout, or none to wait for as long as it takes',
    });
  }
  if (answer.kind === 'failed') {
    // It has said everything, but may still be cleaning up.
    await ended;
    throw fromWire(answer.error);
  }
  try {
    await send(child, { kind: 'acknowledged' });
  } catch (error) {
    throw new PbkfsError('mount_failed', `the mount process ended ${(await ended).how} as soon as it was mounted`, {
      hint: 'its log file says why',
      cause: error,
    });
  }
  if (child.connected) child.disconnect();
  child.unref();
  return answer.info;
}

/** How long a mount process that nobody waits for any more may take to clean up, in ms. */
const CLEAN_UP_MS = 5000;

/** How long SIGKILL may take, which the kernel keeps from a process that waits for storage. */
const KILL_MS = 5000;

/** @returns whether it has ended; if not, nobody waits for it any more */
async function end(child: ChildProcess, ended: Promise<Ending>): Promise<boolean> {
  // It takes this for the death of its launcher: a mount that is up by now goes.
  if (child.connected) child.disconnect();
  if ((await within(ended, CLEAN_UP_MS)) !== undefined) return true;
  child.kill('SIGKILL');
  if ((await within(ended, KILL_MS)) !== undefined) return true;
  child.unref();
  return false;
}

function firstOf(child: ChildProcess, ended: Promise<Ending>, request: ToMountProcess): Promise<ToLauncher> {
  return new Promise((settle, reject) => {
    answerOf<ToLauncher>(child).then(settle);
    ended.then(({ how, hint }) => {
      reject(
        new PbkfsError('mount_failed', `the mount process ended ${how} before the mount was ready`, {
          hint: hint ?? 'nothing is mounted; if the reason is not shown above, look into the log file',
        }),
      );
    });
    // A child that died at once is reported by `ended`.
    send(child, request).catch(() => undefined);
  });
}

function send(child: ChildProcess, message: ToMountProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.send(message, (error) => (error === null ? resolve() : reject(error)));
  });
}
