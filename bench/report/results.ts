// What a run of the benchmark measured, as it stands in docs/benchmarks.json.

/** One side of a row: the mount, a peer, or something measured beside them in the same rounds. */
export interface SideResult {
  /** `native`, `pbkfs`, the name of a peer … */
  readonly side: string;
  /** One figure a round, in the row's unit. */
  readonly samples: readonly number[];
  /** The figure of the very first measurement, before the side was warmed up; missing where rounds begin at once. */
  readonly atFirst?: number;
  /** CPU seconds that the side's server took in each round; missing where there is no server. */
  readonly cpuSeconds?: readonly number[];
  /** Operations done in each round, where the unit counts operations. */
  readonly operations?: readonly number[];
  /** 99th percentile of the time of an operation in each round, in µs. */
  readonly p99?: readonly number[];
}

/** What is asked of a row. A side reaches it by a ratio to another side, or by its own figure. */
export type Target = { readonly side?: string; readonly atLeast?: number; readonly atMost?: number } & (
  | { readonly against: string }
  | { readonly value: true }
);

export interface Row {
  /** Unique in the whole page and the same in every run: the guard and causes.json go by it. */
  readonly id: string;
  readonly what: string;
  /** `op/s`, `MB/s`, `s`, `µs` … */
  readonly unit: string;
  /** Everything on one CPU, clients and servers. */
  readonly pinned?: boolean;
  readonly sides: readonly SideResult[];
  readonly targets: readonly Target[];
}

export interface CaseResult {
  readonly name: string;
  readonly title: string;
  /** What was done, for the reader of the page. */
  readonly method: string;
  /** ISO time at which it ended. */
  readonly measured: string;
  readonly seconds: number;
  /** Of a case that was measured later than the rest of its page (`--merge`); else that of the page. */
  readonly machine?: Machine;
  readonly rows: readonly Row[];
  /** What could not be measured here, and why. */
  readonly absent: readonly string[];
  /** Why the case broke off. */
  readonly failed?: string;
}

export interface Machine {
  readonly kernel: string;
  readonly node: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGib: number;
  /** Of the directory that everything lay in. */
  readonly filesystem: string;
  readonly postgres: string;
  readonly fio: string;
  readonly pbkfs: string;
}

export interface BenchResult {
  readonly format: 1;
  readonly command: string;
  readonly started: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly machine: Machine;
  /** Load average of the last minute when the run began: what else the machine had to do. */
  readonly load: number;
  /** Peers that were not measured, and why. */
  readonly missingPeers: Readonly<Record<string, string>>;
  readonly cases: readonly CaseResult[];
}
