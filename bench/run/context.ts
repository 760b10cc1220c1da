// What a case gets to work with.

import type { BenchOptions } from '../options.js';
import type { CaseResult, Row } from '../report/results.js';
import type { Progress } from './progress.js';
import { type Contestant, interleave } from './rounds.js';
import type { SidesSpec } from './sides.js';
import type { Stage } from './stage.js';

/** One section of the page, and one value of `--case`. */
export interface BenchCase {
  readonly name: string;
  readonly title: string;
  /** What is done, for the reader of the page: one paragraph of Markdown. */
  readonly method: string;
  readonly run: (context: Context) => Promise<readonly Row[]>;
}

export class Context {
  readonly options: BenchOptions;
  /** Cleared when the case ends. */
  readonly stage: Stage;
  readonly progress: Progress;
  readonly missingPeers: Map<string, string>;
  readonly absent: string[] = [];

  constructor(options: BenchOptions, stage: Stage, progress: Progress, missingPeers: Map<string, string>) {
    this.options = options;
    this.stage = stage;
    this.progress = progress;
    this.missingPeers = missingPeers;
  }

  /** A number that is smaller in a quick run. */
  size(full: number, quick: number): number {
    return this.options.quick ? quick : full;
  }

  /** Seconds of one measurement. */
  get seconds(): number {
    return this.size(1.5, 0.6);
  }

  /** For {@link SidesSpec}: the peers of the command line, and where to say that one is missing. */
  get peers(): Pick<SidesSpec, 'peers' | 'missing'> {
    return { peers: this.options.peers, missing: (side, why) => this.missingPeers.set(side, why) };
  }

  /** Measures all sides of a row in turn. */
  async row(row: Omit<Row, 'sides'>, contestants: readonly Contestant[], rounds = this.options.rounds): Promise<Row> {
    const sides = await interleave(contestants, rounds, (side) => this.progress.say(`${row.what}: ${side}`));
    return { ...row, what: row.pinned ? `${row.what}, one CPU` : row.what, sides };
  }

  /** The rows with and without everything on one CPU. */
  async rows(
    row: Omit<Row, 'sides' | 'pinned'>,
    contestants: (pinned: boolean) => readonly Contestant[],
    rounds?: number,
  ): Promise<Row[]> {
    return [
      await this.row(row, contestants(false), rounds),
      await this.row({ ...row, id: `${row.id}/pinned`, pinned: true }, contestants(true), rounds),
    ];
  }
}

/** Runs a case to its end or its failure. */
export async function runCase(bench: BenchCase, context: Context): Promise<CaseResult> {
  const { name, title, method } = bench;
  const begun = Date.now();
  const done = (rows: readonly Row[], failure: { failed?: string }): CaseResult => ({
    name,
    title,
    method,
    measured: new Date().toISOString(),
    seconds: Math.round((Date.now() - begun) / 1000),
    rows,
    absent: context.absent,
    ...failure,
  });
  try {
    return done(await bench.run(context), {});
  } catch (error) {
    return done([], { failed: (error as Error).message });
  } finally {
    await context.stage.clear();
  }
}
