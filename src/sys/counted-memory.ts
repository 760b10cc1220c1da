// How much more memory the kernel lets this process write to, where it counts what could be written (ulimit -d,
// vm.overcommit_memory=2): refused memory for a thread or a heap, V8 ends the process. What is asked of the kernel is the
// figures, since memory taken for a try is refused to other threads meanwhile.

import { readFileSync } from 'node:fs';
import { processLimit } from './process-limit.js';

/** For the hint of an error. */
export const MEMORY_HINT =
  'see the limits of the process (ulimit -d, ulimit -v) and of the machine (vm.overcommit_memory, CommitLimit in /proc/meminfo)';

/** Whether there are so many bytes; yes where the kernel does not say. Formats: proc(5). */
export function hasRoom(bytes: number): boolean {
  try {
    return processRoom() >= bytes && machineRoom() >= bytes;
  } catch {
    return true;
  }
}

function processRoom(): number {
  return processLimit('Max data size') - kib('/proc/self/status', /^VmData:\s+(\d+)/m);
}

function machineRoom(): number {
  if (figure('/proc/sys/vm/overcommit_memory', /^(\d+)/) !== 2) return Infinity;
  return kib('/proc/meminfo', /^CommitLimit:\s+(\d+)/m) - kib('/proc/meminfo', /^Committed_AS:\s+(\d+)/m);
}

function kib(file: string, pattern: RegExp): number {
  return (figure(file, pattern) ?? 0) * 1024;
}

function figure(file: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(readFileSync(file, 'latin1'))?.[1];
  return found === undefined ? undefined : Number(found);
}
