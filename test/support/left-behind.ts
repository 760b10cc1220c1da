// What a session must not leave: directories, mounts and servers below the directory it was told to work in.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';

/** Nothing is left below `directory`, which is itself empty, within half a minute. */
export async function nothingLeftIn(t: Test, directory: string): Promise<void> {
  const left = (): string[] => [...readdirSync(directory), ...mountsBelow(directory), ...serversBelow(directory)];
  // What is left is told by the checks.
  for (const deadline = Date.now() + 30_000; left().length > 0 && Date.now() < deadline; ) await sleep(50);
  t.strictSame(readdirSync(directory), [], 'no temporary directory');
  t.strictSame(mountsBelow(directory), [], 'no mount');
  t.strictSame(serversBelow(directory), [], 'no server');
}

export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${directory}/`));
}

/** Processes that were started with `-D` and a directory below `directory`. */
export function serversBelow(directory: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`\0-D\0${directory}/`);
    } catch {
      return false;
    }
  });
}
