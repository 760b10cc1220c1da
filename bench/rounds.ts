// Runs loads in turn on the mount and on the ordinary file system, and keeps the median of each.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Load } from './load.js';

const PROGRAM = fileURLToPath(new URL('./load.js', import.meta.url));

/** The same work for the mount and for the ordinary file system. */
export interface Contest {
  readonly name: string;
  readonly mount: Load;
  readonly native: Load;
}

export interface Outcome {
  readonly name: string;
  /** Operations per second, median of the rounds. */
  readonly mount: number;
  readonly native: number;
}

/** Rounds are interleaved: what else the machine does hits both sides alike. */
export function compete(contest: Contest, rounds: number, seconds: number): Outcome {
  const mount: number[] = [];
  const native: number[] = [];
  for (let round = 0; round < rounds; round++) {
    mount.push(measure(contest.mount, seconds));
    native.push(measure(contest.native, seconds));
  }
  return { name: contest.name, mount: median(mount), native: median(native) };
}

/** What the load program says it reached. @throws Error with what it said when it failed */
export function measure(load: Load, seconds: number): number {
  const child = spawnSync(process.execPath, [PROGRAM, JSON.stringify(load), String(seconds)], { encoding: 'utf8' });
  const result = Number(child.stdout);
  if (child.status !== 0 || !(result > 0)) throw new Error(`${load.kind} failed: ${child.stderr}`);
  return result;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
