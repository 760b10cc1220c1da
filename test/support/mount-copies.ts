// A program in a mount namespace of its own, as a container that has a copy of some mounts.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Teardown } from './postgres.js';
import { until } from './until.js';

/** Mounts of other tests that run meanwhile must not be kept. $0 is the directory, $1 that of all tests. */
const LET_GO = `cut -d ' ' -f 5 /proc/self/mountinfo | grep -e "^$1/" -e '^/dev/shm/' | grep -v "^$0/" | xargs -r umount -l
exec sleep 600`;

/** Takes a copy of the mounts below `directory`, for as long as it runs; ended with the test. */
export async function copyMounts(t: Teardown, directory: string): Promise<ChildProcess> {
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', LET_GO, directory, tmpdir()];
  const container = spawn('unshare', args, { stdio: 'ignore' });
  t.teardown(() => container.kill('SIGKILL'));
  await until(() => readFileSync(`/proc/${container.pid}/comm`, 'latin1') === 'sleep\n', 30_000);
  return container;
}
