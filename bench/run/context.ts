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

/** What all cases of a run have in common. */
export interface Common {
  readonly stage: Stage;
  readonly missingPeers: Map<string, string>;
  readonly made: Map<string, Promise<unknown>>;
}

export class Context {
  readonly options: BenchOptions;
  /** Cleared when the case ends. */
  readonly stage: Stage;
  readonly progress: Progress;
  readonly absent: string[] = [];
  readonly #common: Common;

  constructor(options: BenchOptions, stage: Stage, progress: Progress, common: Common) {
    this.options = options;
    this.stage = stage;
    this.progress = progress;
    this.#common = common;
  }

  /** Something that several cases need: made by the first of them, undone at the end of the run. */
  once<T>(name: string, make: (stage: Stage) => Promise<T>): Promise<T> {
    const { made, stage } = this.#common;
    if (!made.has(name)) made.set(name, make(stage));
    return made.get(name) as Promise<T>;
  }

  /** A number that is smaller in a quick run. */
  size(full: number, quick: number): number {
    return this.options.quick ? quick : full;
  }

  /** Seconds of one measurement. */
  get seconds(): number {
    return this.size(1, 0.5);
  }

  /** Seconds until V8 has compiled what a row makes every thread of a mount do some thousand times a second. */
  get warmUp(): number {
    return this.size(5, 1);
  }

  /** For {@link SidesSpec}: the peers of the command line, and where to say that one is missing. */
  get peers(): Pick<SidesSpec, 'peers' | 'missing'> {
    return { peers: this.options.peers, missing: (side, why) => this.#common.missingPeers.set(side, why) };
  }

  /**
   * Measures all sides of a row in turn.
   * @param warmUp seconds of doing the same before the first round, for rows about a server that has been running
   */
  async row(row: Omit<Row, 'sides'>, contestants: readonly Contestant[], warmUp?: number): Promise<Row> {
    const tick = (side: string) => this.progress.say(`${row.what}: ${side}`);
    const sides = await interleave(contestants, { rounds: this.options.rounds, warmUp, tick });
    return { ...row, what: row.pinned ? `${row.what}, one CPU` : row.what, sides };
  }

  /** The rows with and without everything on one CPU; who was warmed up for the first is for the second. */
  async rows(
    row: Omit<Row, 'sides' | 'pinned'>,
    contestants: (pinned: boolean) => readonly Contestant[],
    warmUp?: number,
  ): Promise<Row[]> {
    return [
      await this.row(row, contestants(false), warmUp),
      await this.row({ ...row, id: `${row.id}/pinned`, pinned: true }, contestants(true)),
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
    const { message, hint } = error as Error & { hint?: string };
    return done([], { failed: hint === undefined ? message : `${message} (${hint})` });
  } finally {
    await context.stage.clear();
  }
}
