// Load for mounts that are about to end: files written, synced and looked for, until something breaks.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.js';
import type { SmallMount } from './small-mount.js';

export interface Load {
  /** How each worker ended: its error, or `stopped`. */
  readonly ended: Promise<string[]>;
  operations(): number;
  /** Closes all files. */
  stop(): Promise<string[]>;
}

/** Starts three workers with a file each and returns once they are at it. */
export async function load(mount: SmallMount): Promise<Load> {
  let operations = 0;
  let stopping = false;
  const work = async (n: number): Promise<string> => {
    let handle: FileHandle | undefined;
    try {
      handle = await open(mount.path(`base/1/load${n}`), 'w+');
      const block = Buffer.alloc(8192, n);
      for (let i = 0; !stopping; i++) {
        await handle.write(block, 0, 8192, (i % 100) * 8192);
        if (i % 10 === 0) await handle.sync();
        await stat(mount.path(`base/1/absent${n}.${i}`)).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
        operations++;
      }
      return 'stopped';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    } finally {
      await handle?.close().catch(() => undefined);
    }
  };
  const ended = Promise.all([1, 2, 3].map(work));
  await until(() => operations > 20);
  const stop = (): Promise<string[]> => {
    stopping = true;
    return ended;
  };
  return { ended, operations: () => operations, stop };
}

/** Rejects when it takes longer than `limit` ms. */
export async function inTime<T>(promise: Promise<T>, limit: number): Promise<T> {
  const late = sleep(limit, undefined, { ref: false }).then(() => {
    throw new Error(`it took longer than ${limit} ms`);
  });
  return Promise.race([promise, late]);
}
