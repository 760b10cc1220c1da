// Medians and the ratios of two sides that were measured in turn.

import type { Row, SideResult, Target } from './results.js';

/** The middle value; the mean of the two middle ones for an even number. @throws RangeError without values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, least and greatest of the ratios of each round: a round hits both sides with the same weather. */
export function ratioOf(side: SideResult, against: SideResult): { median: number; least: number; greatest: number } {
  const rounds = Math.min(side.samples.length, against.samples.length);
  const ratios = Array.from({ length: rounds }, (_, round) => side.samples[round] / against.samples[round]);
  return { median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) };
}

export function sideOf(row: Row, name: string): SideResult | undefined {
  return row.sides.find(({ side }) => side === name);
}

export interface Verdict {
  readonly target: Target;
  /** The ratio or the figure that counts; undefined when a side of it was not measured. */
  readonly measured: number | undefined;
  readonly reached: boolean | undefined;
}

/** Judges each target of a row by the medians. */
export function verdicts(row: Row): Verdict[] {
  return row.targets.map((target) => {
    const measured = figure(row, target);
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
    return {
      target,
      measured,
      reached: measured === undefined ? undefined : measured >= atLeast && measured <= atMost,
    };
  });
}

function figure(row: Row, target: Target): number | undefined {
  const side = sideOf(row, target.side ?? 'pbkfs');
  if (side === undefined) return undefined;
  if ('value' in target) return median(side.samples);
  const against = sideOf(row, target.against);
  return against === undefined ? undefined : ratioOf(side, against).median;
}
