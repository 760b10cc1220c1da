// Measures sides in turn, several rounds: what else the machine does hits all of them alike.

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

/** Every second round runs backwards, so that nobody always comes after the same neighbour. */
export async function interleave(
  contestants: readonly Contestant[],
  rounds: number,
  tick: (side: string) => void = () => {},
): Promise<SideResult[]> {
  const samples = new Map<string, Sample[]>(contestants.map(({ side }) => [side, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { side, measure } of round % 2 === 0 ? contestants : [...contestants].reverse()) {
      tick(side);
      samples.get(side)!.push(await measure());
    }
  }
  return contestants.map(({ side }) => collect(side, samples.get(side)!));
}

function collect(side: string, samples: readonly Sample[]): SideResult {
  const column = (name: 'cpuSeconds' | 'operations' | 'p99') => {
    const values = samples.map((sample) => sample[name]);
    return values.every((value) => value !== undefined) ? { [name]: values.map((value) => short(value)) } : {};
  };
  return {
    side,
    samples: samples.map(({ value }) => short(value)),
    ...column('cpuSeconds'),
    ...column('operations'),
    ...column('p99'),
  };
}

/** Five digits are more than a benchmark knows; they keep the raw data readable. */
function short(value: number): number {
  return Number(value.toPrecision(5));
}
