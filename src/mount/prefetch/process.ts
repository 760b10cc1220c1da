// The process that reads ahead (--prefetch hot), so that the kernel's cache has what a first query asks for. A process of its
// own: one that serves a mount must never wait for it. It ends with its parent.
//
//   node process.js MOUNTPOINT WAL…      each WAL as PATH:FROM:TO

import { setPriority } from 'node:os';
import { CacheWarmer, MountGone } from './cache-warmer.js';
import { type Part, wantHotFiles } from './hot-files.js';
import type { Prefetched } from './prefetch.js';

// Others first; at 19 a busy host would never let it run.
const NICENESS = 5;

const [mountpoint, ...wal] = process.argv.slice(2) as [string, ...string[]];
process.on('disconnect', () => process.exit(0));

async function main(): Promise<void> {
  let told: Prefetched | undefined;
  try {
    setPriority(NICENESS);
    const warmer = new CacheWarmer(mountpoint);
    told = warmer.seen;
    await wantHotFiles(wal.map(parse), warmer);
    await warmer.settle();
  } catch (error) {
    if (error instanceof MountGone) process.exit(0);
    told = { files: 0, bytes: 0, ...told, error: (error as Error).message };
  }
  if (process.connected) process.send?.(told, () => process.exit(0));
}

function parse(text: string): Part {
  const [path, from, to] = text.split(':') as [string, string, string];
  return { path, from: Number(from), to: Number(to) };
}

void main();
