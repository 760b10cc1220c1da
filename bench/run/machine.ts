// What the figures were made on.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus as cpuList, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { repoRoot } from '../../test/support/paths.js';
import { postgres15 } from '../../test/support/postgres.js';
import type { Machine } from '../report/results.js';
import { cpus } from './cpu.js';

/** @param directory where everything lies that is measured */
export function describeMachine(directory: string): Machine {
  const { version } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as { version: string };
  return {
    kernel: release(),
    node: process.version,
    cpu: cpuList()[0]?.model ?? 'unknown',
    cpus,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    filesystem: said('stat', ['-f', '-c', '%T', directory]) ?? 'unknown',
    postgres: postgres15().binaries.version,
    fio: said('fio', ['--version']) ?? 'missing',
    pbkfs: `${version} (${said('git', ['-C', repoRoot, 'describe', '--always', '--dirty']) ?? 'unknown commit'})`,
  };
}

/** What a program prints, or undefined when it is not there. */
export function said(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
