// Reading ahead for a mount (--prefetch hot): a process that ends with the mount, whose end nobody waits for.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BackupInfo } from '../../backup/index.js';
import { DEFAULT_SEGMENT_SIZE, parseLsnNumber, segmentName } from '../../backup/wal/index.js';
import type { Logger } from '../../log.js';
import { secondsSince } from '../../sys/stopwatch.js';
import { keepRunning } from '../child-process.js';

/** What the process tells at its end. */
export interface Prefetched {
  readonly files: number;
  readonly bytes: number;
  /** Why it has not read everything. */
  readonly error?: string;
}

const PROGRAM = fileURLToPath(new URL('./process.js', import.meta.url));
/** More WAL is not read ahead: replay reads it in order, once. */
const MOST_WAL = 16 * 2 ** 20;

/**
 * @param segmentSize of WAL in bytes; 16 MiB where the catalog does not say
 * @returns ends it, and returns when it is gone
 */
export function startPrefetch(
  mountpoint: string,
  backup: BackupInfo,
  segmentSize: number | undefined,
  log: Logger,
): () => Promise<void> {
  const began = performance.now();
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, mountpoint, ...walOf(backup, segmentSize)], {
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  child.on('error', (error) => log.warn('cannot read ahead', { error: error.message }));
  child.on('message', (told: Prefetched) => {
    log.info('read ahead', { ...told, seconds: secondsSince(began) });
  });
  // It must not keep a process alive whose mount has gone.
  keepRunning(child, false);
  const gone = once(child, 'exit').catch(() => undefined);
  return async () => {
    if (child.kill('SIGKILL')) await gone;
  };
}

/** From the start to the end of the backup; a STREAM backup has it in its pg_wal. What comes from an archive is copied in order. */
function walOf(backup: BackupInfo, segmentSize = DEFAULT_SEGMENT_SIZE): string[] {
  const start = parseLsnNumber(backup.startLsn ?? '');
  const stop = parseLsnNumber(backup.stopLsn ?? '');
  const { timeline } = backup;
  if (!backup.stream || start === undefined || stop === undefined || timeline === undefined) return [];
  const parts: string[] = [];
  const end = Math.min(stop, start + MOST_WAL);
  for (let at = start; at < end; ) {
    const number = Math.floor(at / segmentSize);
    const next = Math.min((number + 1) * segmentSize, end);
    const inSegment = (lsn: number): number => lsn - number * segmentSize;
    parts.push(`pg_wal/${segmentName(timeline, number, segmentSize)}:${inSegment(at)}:${inSegment(next)}`);
    at = next;
  }
  return parts;
}
