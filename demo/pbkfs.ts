// Runs the pbkfs command line program, as a user would.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../bundle/cli/pbkfs.js', import.meta.url));

/**
 * Runs `pbkfs ARGS` and waits for it: `mount` returns when the backup is mounted.
 * @throws with what it printed when it fails
 */
export function pbkfs(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // Detached: Ctrl-C in the terminal must not stop it half-way.
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout.on('data', (chunk: Buffer) => process.stdout.write(`  pbkfs ${args[0]}: ${chunk}`));
    const messages: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`pbkfs ${args[0]} failed:\n${Buffer.concat(messages)}`));
    });
  });
}
