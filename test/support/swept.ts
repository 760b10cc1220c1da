// What is left of a test that was killed or timed out, when no handler of its own runs any more: a process of its own waits
// for its end, however it comes, and takes away its temporary directories with all that runs or is mounted below them.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Reads names of directories, one a line, until whoever writes them has ended. Directories that have gone by then are
 * none of its business. Processes are told from others by an argument below the directory, whose name nobody else has.
 */
const SWEEPER = `
trap '' HUP INT TERM
directories=$(cat)
below() { printf '%s/\\n' "$1" | grep -lsaF -f - /proc/[0-9]*/cmdline | cut -d / -f 3; }
printf '%s\\n' "$directories" | while read -r directory; do
  [ -d "$directory" ] || continue
  for signal in TERM KILL; do
    for pid in $(below "$directory"); do kill -s $signal "$pid"; done
    for i in 1 2 3 4 5 6 7 8 9 10; do [ -z "$(below "$directory")" ] || sleep 0.3; done
  done
  cut -d ' ' -f 5 /proc/self/mountinfo | grep -F "$directory/" | while read -r mounted; do umount -l "$mounted"; done
  rm -rf --one-file-system "$directory"
done
`;

let sweeper: ChildProcess | undefined;

/** Has a directory that was made for this process removed, at the latest soon after its end. Returns it. */
export function swept(directory: string): string {
  if (sweeper === undefined) {
    sweeper = spawn('/bin/sh', ['-c', SWEEPER], { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    // Where it cannot be started or is killed, tests clean up as far as they get.
    sweeper.on('error', () => undefined);
    sweeper.stdin!.on('error', () => undefined);
    // It must not keep this process alive.
    sweeper.unref();
    (sweeper.stdin as Socket).unref();
  }
  sweeper.stdin!.write(`${directory}\n`);
  return directory;
}

/** A new directory among the system's temporary ones, swept. @param prefix of its name */
export function temporaryDirectory(prefix: string): string {
  return swept(mkdtempSync(join(tmpdir(), prefix)));
}
