// Compares the ratios of a run with those of the committed page: what has become slower against its peers?

import type { BenchResult, Row } from './results.js';
import { verdicts } from './statistics.js';

/** A ratio may be worse by this much before it counts: rounds of a quick run differ by less on a quiet machine. */
const TOLERANCE = 0.2;

export interface Regression {
  readonly row: string;
  readonly what: string;
  readonly against: string;
  readonly before: number;
  readonly now: number;
}

export interface Comparison {
  /** Ratios that both runs have. */
  readonly compared: number;
  readonly regressions: readonly Regression[];
}

/**
 * Only ratios to another side are compared, never figures of their own: those belong to a machine and to the size of a run.
 */
export function compareRuns(before: BenchResult, now: BenchResult, tolerance = TOLERANCE): Comparison {
  const known = new Map(before.cases.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));
  const regressions: Regression[] = [];
  let compared = 0;
  for (const row of now.cases.flatMap(({ rows }) => rows)) {
    const old = known.get(row.id);
    if (old === undefined) continue;
    for (const [against, ratio] of ratios(row)) {
      const earlier = ratios(old).get(against);
      if (earlier === undefined) continue;
      compared++;
      const moreIsBetter = row.targets.some((target) => 'against' in target && target.atLeast !== undefined);
      const worse = moreIsBetter ? ratio < earlier * (1 - tolerance) : ratio > earlier / (1 - tolerance);
      if (worse) regressions.push({ row: row.id, what: row.what, against, before: earlier, now: ratio });
    }
  }
  return { compared, regressions };
}

/** By what stands against the mount. */
function ratios(row: Row): Map<string, number> {
  const found = new Map<string, number>();
  for (const { target, measured } of verdicts(row)) {
    if ('against' in target && measured !== undefined) found.set(target.against, measured);
  }
  return found;
}

/** For a person; empty without regressions. */
export function describeRegressions(regressions: readonly Regression[]): string[] {
  return regressions.map(
    ({ row, what, against, before, now }) =>
      `${row} (${what}): ${now.toFixed(2)} of ${against}, was ${before.toFixed(2)} on the committed page`,
  );
}
