// Unmounting from the process that serves the mount, without standing in its own way: the system call may have the
// kernel write back mapped pages, and with fuse-native the thread that would take them must not be the one that waits.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type UnmountHow, unmountDevice } from '../sys/fuse-mount.js';

/** Marks the thread that this module starts. */
const TASK = 'pbkfs unmount';

interface Task {
  readonly task: typeof TASK;
  readonly mountpoint: string;
  readonly how: UnmountHow;
}

interface Outcome {
  readonly code?: string;
  readonly message?: string;
}

/**
 * unmountDevice in a thread of its own.
 * @throws an Error with the same `code` and `message`
 */
export function unmountElsewhere(mountpoint: string, how: UnmountHow): Promise<void> {
  const data: Task = { task: TASK, mountpoint, how };
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: data });
    worker.once('message', ({ code, message }: Outcome) => {
      if (message === undefined) resolve();
      else reject(Object.assign(new Error(message), { code }));
    });
    worker.once('error', reject);
  });
}

if (!isMainThread && (workerData as Partial<Task> | null)?.task === TASK) {
  const { mountpoint, how } = workerData as Task;
  parentPort?.postMessage(attempt(mountpoint, how));
}

function attempt(mountpoint: string, how: UnmountHow): Outcome {
  try {
    unmountDevice(mountpoint, how);
    return {};
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { message, ...(code === undefined ? {} : { code }) };
  }
}
