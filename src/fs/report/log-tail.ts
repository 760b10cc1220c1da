// The virtual file `log`: the last lines of the mount's log.

import { open } from 'node:fs/promises';

const MOST_BYTES = 256 * 1024;

/** Whole lines from the end of the log file, wherever rotation has put its beginning. Says so where there is none. */
export async function logTail(path: string | undefined): Promise<Buffer> {
  if (path === undefined) return Buffer.from('this mount has no log file: it logs where it was started\n');
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - MOST_BYTES);
      const buffer = Buffer.alloc(size - from);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
      const text = buffer.subarray(0, bytesRead);
      return from === 0 ? text : text.subarray(text.indexOf(0x0a) + 1);
    } finally {
      await file.close();
    }
  } catch (error) {
    return Buffer.from(`cannot read the log: ${(error as Error).message}\n`);
  }
}
