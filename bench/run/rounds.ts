// Measures sides in turn, several rounds: what else the machine does hits all of them alike.

import { performance } from 'node:perf_hooks';
import type { SideResult } from '../report/results.js';

/** What one side did in one round. */
export interface Sample {
  /** In the unit of the row. */
  readonly value: number;
  readonly cpuSeconds?: number | undefined;
  readonly operations?: number | undefined;
  readonly p99?: number | undefined;
}

export interface Contestant {
  readonly side: string;
  readonly measure: () => Promise<Sample>;
}

export interface Contest {
  readonly rounds: number;
  /** Seconds for which each side is measured over and over before the first round; only the first figure is kept, apart. */
  readonly warmUp?: number | undefined;
  readonly tick?: (side: string) => void;
}

/** Every second round runs backwards, so that nobody always comes after the same neighbour. */
export async function interleave(
  contestants: readonly Contestant[],
  { rounds, warmUp = 0, tick = () => {} }: Contest,
): Promise<SideResult[]> {
  const atFirst = new Map<string, number | undefined>();
  for (const contestant of warmUp > 0 ? contestants : []) {
    tick(`${contestant.side}, warming up`);
    atFirst.set(contestant.side, await warm(contestant, warmUp));
  }
  const samples = new Map<string, Sample[]>(contestants.map(({ side }) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { side, measure } of round % 2 === 0 ? contestants : [...contestants].reverse()) {
      tick(side);
      samples.get(side)!.push(await measure());
    }
  }
  return contestants.map(({ side }) => collect(side, samples.get(side)!, atFirst.get(side)));
}

/** @returns what the first measurement gave; undefined: there was none */
async function warm({ measure }: Contestant, seconds: number): Promise<number | undefined> {
  const end = performance.now() + seconds * 1000;
  let first: number | undefined;
  while (performance.now() < end) {
    const { value } = await measure();
    first ??= value;
  }
  return first;
}

function collect(side: string, samples: readonly Sample[], atFirst: number | undefined): SideResult {
  const column = (name: 'cpuSeconds' | 'operations' | 'p99') => {
    const values = samples.map((sample) => sample[name]);
    return values.every((value) => value !== undefined) ? { [name]: values.map((value) => short(value)) } : {};
  };
  return {
    side,
    samples: samples.map(({ value }) => short(value)),
    ...(atFirst === undefined ? {} : { atFirst: short(atFirst) }),
    ...column('cpuSeconds'),
    ...column('operations'),
    ...column('p99'),
  };
}

/** Five digits are more than a benchmark knows; they keep the raw data readable. */
function short(value: number): number {
  return Number(value.toPrecision(5));
}
