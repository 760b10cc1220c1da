// How many backing files a data thread may keep open.

import { PbkfsError } from '../errors.js';
import { processLimit } from '../sys/process-limit.js';

/** Descriptors the process needs for everything else: devices, logs, journal, event loops of the threads. */
const RESERVED = 160;
const MOST = 1024;
const LEAST = 4;

/** The thread's share of the process's limit of open files. */
export function fdLimitPerThread(threads: number): number {
  return Math.max(LEAST, Math.min(MOST, Math.floor((openFiles() - RESERVED) / threads)));
}

/**
 * That so many threads can be served at all: with fewer descriptors requests would fail with EMFILE.
 * @throws PbkfsError mount_failed
 */
export function checkOpenFiles(threads: number): void {
  const needed = RESERVED + LEAST * threads;
  const limit = openFiles();
  if (limit >= needed) return;
  throw new PbkfsError('mount_failed', `the limit of ${limit} open files is too low for a mount: it needs ${needed}`, {
    hint: 'raise it: "ulimit -Hn", LimitNOFILE= of a systemd unit, --ulimit nofile of a container',
  });
}

/** Node has raised the soft limit to the hard one. */
function openFiles(): number {
  return processLimit('Max open files');
}
