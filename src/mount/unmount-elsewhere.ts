// Unmounting from the process that serves the mount, without standing in its own way: the system call may have the
// kernel write back mapped pages, and with fuse-native the thread that would take them must not be the one that waits.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type UnmountHow, unmountDevice } from '../sys/fuse-mount.js';
import { pause } from '../sys/pause.js';
import { THREAD_LIMITS } from '../sys/thread-limits.js';

/** Marks the thread that this module starts. */
const TASK = 'pbkfs unmount';

interface Task {
  readonly task: typeof TASK;
  readonly mountpoint: string;
  readonly how: UnmountHow;
  readonly patience: number;
}

interface Outcome {
  readonly code?: string;
  readonly message?: string;
}

const POLL_MS = 50;

/**
 * unmountDevice in a thread of its own; where none can be started (a limit of processes, the program on disk is another one
 * now) in this one, without patience.
 * @param patience ms in which a mount that is in use is tried again
 * @throws an Error with the same `code` and `message`
 */
export function unmountElsewhere(mountpoint: string, how: UnmountHow, patience: number): Promise<void> {
  const data: Task = { task: TASK, mountpoint, how, patience };
  return new Promise((resolve, reject) => {
    const end = ({ code, message }: Outcome): void => {
      if (message === undefined) resolve();
      else reject(Object.assign(new Error(message), { code }));
    };
    const here = (): void => end(attempt({ ...data, patience: 0 }));
    let told = false;
    try {
      const worker = new Worker(new URL(import.meta.url), { workerData: data, resourceLimits: THREAD_LIMITS });
      worker.once('message', (outcome: Outcome) => {
        told = true;
        end(outcome);
      });
      worker.on('error', () => undefined);
      // Another version may also end without a word. What was said has arrived by now.
      worker.once('exit', () => {
        if (!told) here();
      });
    } catch {
      here();
    }
  });
}

if (!isMainThread && (workerData as Partial<Task> | null)?.task === TASK)
  parentPort?.postMessage(attempt(workerData as Task));

function attempt({ mountpoint, how, patience }: Task): Outcome {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      unmountDevice(mountpoint, how);
      return {};
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EBUSY' || performance.now() >= deadline)
        return { message, ...(code === undefined ? {} : { code }) };
    }
    pause(POLL_MS);
  }
}
