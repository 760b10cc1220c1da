// What this process makes durable, by the names of the files; and syncs that fail.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import type { Test } from 'tap';

export interface Syncs {
  /** last parts of the names of what was synced */
  readonly done: string[];
  /** names of what cannot be synced; the error names it */
  failing: string | readonly string[] | undefined;
}

/** Until the test ends. */
export function watchSyncs(t: Test): Syncs {
  const syncs: Syncs = { done: [], failing: undefined };
  const { fdatasyncSync, fsyncSync } = fs;
  const watched = (sync: (fd: number) => void) => (fd: number) => {
    const name = basename(fs.readlinkSync(`/proc/self/fd/${fd}`));
    if ([syncs.failing].flat().includes(name)) throw Object.assign(new Error(`EIO: ${name}`), { code: 'EIO' });
    syncs.done.push(name);
    sync(fd);
  };
  Object.assign(fs, { fdatasyncSync: watched(fdatasyncSync), fsyncSync: watched(fsyncSync) });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { fdatasyncSync, fsyncSync });
    syncBuiltinESMExports();
  });
  return syncs;
}
