// What a check of a drill has found.

import { secondsSince } from '../../sys/stopwatch.js';

export const checks = ['recovery', 'amcheck', 'sql', 'checksums'] as const;
export type CheckName = (typeof checks)[number];

export interface Finding {
  readonly check: CheckName;
  readonly passed: boolean;
  /** Why there was nothing to check; it passes then. */
  readonly skipped?: string;
  /** What was looked at, or how far it came, for people. */
  readonly what: string;
  /** What is wrong, at most {@link MOST_PROBLEMS}. */
  readonly problems: readonly string[];
  /** How many there are in all. */
  readonly problemCount: number;
  readonly seconds: number;
}

const MOST_PROBLEMS = 50;

/** Collects problems: all are counted, the first ones kept. */
export class Problems {
  readonly kept: string[] = [];
  count = 0;

  add(problem: string): void {
    this.count++;
    if (this.kept.length < MOST_PROBLEMS) this.kept.push(problem);
  }
}

/**
 * Runs a check and times it. What it throws is a problem too, so that the other checks have their turn.
 * @param run returns what it has looked at, or why there was nothing
 */
export async function find(
  check: CheckName,
  run: (problems: Problems) => Promise<string | { readonly skipped: string }>,
): Promise<Finding> {
  const began = performance.now();
  const problems = new Problems();
  let what: string | { readonly skipped: string } = 'not finished';
  try {
    what = await run(problems);
  } catch (error) {
    const { message, hint } = error as { readonly message: string; readonly hint?: string };
    problems.add(hint === undefined ? message : `${message}\n${hint}`);
  }
  const { kept, count } = problems;
  const found = {
    check,
    passed: count === 0,
    problems: kept,
    problemCount: count,
    seconds: secondsSince(began),
  };
  return typeof what === 'string' ? { ...found, what } : { ...found, what: '', skipped: what.skipped };
}

/** One that failed, with more that is wrong ahead of the rest. */
export function withProblems(finding: Finding, more: readonly string[]): Finding {
  const problems = [...more, ...finding.problems].slice(0, MOST_PROBLEMS);
  return { ...finding, problems, problemCount: finding.problemCount + more.length };
}
