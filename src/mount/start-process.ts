// Starting the process of a background mount: also before its request is known, since a process takes its time to come up.

import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ending, endOf, keepRunning } from './child-process.js';

const MOUNT_PROCESS = new URL('./process.js', import.meta.url);

/**
 * Two pools of memory instead of one a thread, and what is free at their ends goes back: of 131 MB that an idle mount
 * took, 12. mimalloc, which @node-rs/crc32 contains, makes writable what it uses of the 1 GiB that it reserves, and not all
 * of it: a limit (ulimit -d) counts that. What was set already stays. A mount in the foreground has what its caller set:
 * contrib/pbkfs@.service has the same.
 */
export const MEMORY_SETTINGS = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MIMALLOC_ARENA_EAGER_COMMIT: '0',
};

/** A mount process that waits for its request; without one it ends when the process that started it does. */
export interface MountProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly mountpoint: string;
}

/**
 * @param program what to run instead of process.js, for tests
 * @param patience see endOf
 */
export function startMountProcess(mountpoint: string, program = MOUNT_PROCESS, patience?: number): MountProcess {
  // The mount point is an argument only so that ps shows it.
  const child = spawn(process.execPath, [fileURLToPath(program), mountpoint], {
    detached: true,
    cwd: '/',
    env: { ...MEMORY_SETTINGS, ...process.env },
    // What Node itself prints when it dies early must reach the terminal; the process turns to its log once mounted.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { child, ended: endOf(child, patience), mountpoint };
}

/**
 * Starts the process of a `pbkfs mount` whose arguments nobody has parsed yet; the program that does goes on loading
 * meanwhile. Nobody has to use it.
 * @returns undefined where the arguments do not say plainly enough which directory it is for, or ask for something else
 */
export function startMountProcessEarly(args: readonly string[]): MountProcess | undefined {
  const at = args.findIndex((arg) => arg === '-D' || arg === '--mountpoint');
  const mountpoint = at < 0 ? undefined : args[at + 1];
  if (mountpoint === undefined || mountpoint === '' || mountpoint.startsWith('-')) return undefined;
  if (args.some((arg) => ['-h', '--help', '--console', '--json'].includes(arg))) return undefined;
  let directory: string;
  try {
    directory = resolve(mountpoint);
  } catch {
    // There is no working directory: whoever parses the arguments says so.
    return undefined;
  }
  const started = startMountProcess(directory);
  keepRunning(started.child, false);
  return started;
}
