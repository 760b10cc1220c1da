// The launcher's side of a background mount: starts the mount process and returns once it is mounted or has failed.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PbkfsError } from '../errors.js';
import type { ToLauncher, ToMountProcess } from './handshake.js';
import type { MountedInfo, MountRequest } from './request.js';
import { fromWire } from './wire-error.js';

const MOUNT_PROCESS = new URL('./process.js', import.meta.url);

/**
 * Mounts in a new background process.
 * @param program what to run instead of process.js, for tests
 * @throws PbkfsError whatever kept the process from mounting, also its sudden death; it has ended then
 */
export async function launchMount(request: MountRequest, program: URL = MOUNT_PROCESS): Promise<MountedInfo> {
  // The mount point is an argument only so that ps shows it.
  const child = spawn(process.execPath, [fileURLToPath(program), request.mountpoint], {
    detached: true,
    cwd: '/',
    // What Node itself prints when it dies early must reach the terminal; the process turns to its log once mounted.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (status, signal) => resolve(signal === null ? `with status ${status}` : `by ${signal}`));
    child.once('error', (error) => resolve(`at its start: ${error.message}`));
  });
  const answer = await firstOf(child, ended, { kind: 'request', request });
  if (answer.kind === 'failed') {
    // It has said everything, but may still be cleaning up.
    await ended;
    throw fromWire(answer.error);
  }
  try {
    await send(child, { kind: 'acknowledged' });
  } catch (error) {
    throw new PbkfsError('mount_failed', `the mount process ended ${await ended} as soon as it was mounted`, {
      cause: error,
    });
  }
  if (child.connected) child.disconnect();
  child.unref();
  return answer.info;
}

function firstOf(child: ChildProcess, ended: Promise<string>, request: ToMountProcess): Promise<ToLauncher> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as ToLauncher));
    ended.then((how) => {
      reject(
        new PbkfsError('mount_failed', `the mount process ended ${how} before the mount was ready`, {
          hint: 'nothing is mounted; if the reason is not shown above, look into the log file',
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
