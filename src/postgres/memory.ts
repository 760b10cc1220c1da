// How much memory a server may take for its buffers: a share of what this process may use.

import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

const MIB = 2 ** 20;

/** Bytes this process may use: the machine's memory, or the limit of its control group where that is less. */
export function availableMemory(read: (file: string) => string = readIfThere, machine = totalmem()): number {
  const own = read('/proc/self/cgroup');
  const path = /^0::(.*)$/m.exec(own)?.[1] ?? '/';
  // A group is bound by those around it too.
  const groups = path.split('/').map((_, depth, names) => names.slice(0, depth + 1).join('/'));
  const limits = [
    ...groups.map((group) => `/sys/fs/cgroup${group}/memory.max`),
    '/sys/fs/cgroup/memory/memory.limit_in_bytes',
  ]
    .map((file) => Number.parseInt(read(file), 10))
    .filter((limit) => limit > 0);
  return Math.min(machine, ...limits);
}

/** An eighth of it, from 32 MB to 1 GB: others live here too, and the kernel caches what the mount serves. */
export function memorySettings(available = availableMemory()): Record<string, string> {
  const buffers = Math.min(Math.max(available / 8, 32 * MIB), 1024 * MIB);
  return {
    shared_buffers: `${Math.floor(buffers / MIB)}MB`,
    maintenance_work_mem: `${Math.max(16, Math.floor(buffers / 4 / MIB))}MB`,
  };
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
