// What a thread of Node reserves by itself, and the kernel counts.

import type { ResourceLimits } from 'node:worker_threads';

/**
 * For every worker thread. V8 reserves 512 MiB for a thread's compiled code, writable from Node 24 on: where the kernel does
 * not overcommit, six threads are 3 GiB. After scans and writes a thread has 1.5 MiB of it; when it is full, functions
 * stay interpreted, and a regular expression that is new ends the process. Node 26 makes no less than 64 of it. The
 * heap's limits, which are not named here, stay what they are.
 */
export const THREAD_LIMITS: ResourceLimits = { codeRangeSizeMb: 32 };

/** Bytes that the kernel counts for a thread at work, generously: 25 MiB were, from Node 24 on 65 to 100. */
export const ROOM_PER_THREAD = (Number(process.versions.node.split('.')[0]) >= 24 ? 96 : 48) << 20;

/** Where a process or a thread cannot be had, as far as it is not told why. */
export const THREADS_HINT =
  'most likely too few processes and threads are allowed here: see pids.max of the cgroup, TasksMax= of a systemd unit, --pids-limit of a container, ulimit -u';
