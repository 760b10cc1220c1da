// Runs a program to its end for a test: as another user, with a time limit, output captured.

import { spawn } from 'node:child_process';
import { type ServerUser, spawnIds } from '../../src/postgres/server-user.js';

export interface RunResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly user?: ServerUser;
  readonly env?: Record<string, string>;
  /** Milliseconds; then SIGKILL. Default one minute. */
  readonly timeout?: number;
}

/** Runs `command` with `args`; never throws because of its exit status. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.user === undefined ? {} : spawnIds(options.user)),
      cwd: '/',
      env: { PATH: process.env.PATH, HOME: '/', LC_ALL: 'C', TZ: 'UTC', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeout ?? 60_000,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (status, signal) =>
      resolve({ status, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

/** Like {@link run}; throws with the program's output when it fails. Returns standard output. */
export async function runOk(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, args, options);
  if (result.status !== 0) {
    throw new Error(`${command} ended with ${result.signal ?? result.status}:\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}
