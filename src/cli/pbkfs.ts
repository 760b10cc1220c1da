#!/usr/bin/env node
// The program `pbkfs`. Commands that somebody waits for, or that PostgreSQL starts once a WAL segment, are loaded alone.

import { surviveHangup } from '../sys/hangup.js';

surviveHangup();

// With rights taken from the owner, too, nobody could open again what is made: not our lock files, nor pg_probackup's.
process.umask(process.umask(0o077) & 0o077);

const alone = new Map<string, () => Promise<unknown>>([
  ['archive-get', () => import('./archive-get-program.js')],
  ['mount', mount],
  ['validate', () => import('./validate-program.js')],
]);

void (alone.get(process.argv[2] ?? '') ?? (() => import('./main.js')))();

async function mount(): Promise<void> {
  const { startMountProcessEarly } = await import('../mount/start-process.js');
  const started = startMountProcessEarly(process.argv.slice(3));
  const { mountProgram } = await import('./mount-program.js');
  mountProgram(started);
}
