// Buckets of the request times: powers of two of a microsecond, so that a time finds its bucket without a search.

/** The first bucket ends at 2^3 µs, the last but one at 2^24 µs (16.8 s); one more has everything above. */
const FIRST = 3;
const LAST = 24;

/** Buckets of a histogram, the one without an upper bound included. */
export const BUCKETS = LAST - FIRST + 2;

/** Upper bounds in seconds of all buckets but the last. */
export const bucketBounds: readonly number[] = Array.from({ length: BUCKETS - 1 }, (_, i) => 2 ** (FIRST + i) / 1e6);

/** The bucket of a time in ms: the first whose upper bound is not below it. */
export function bucketOf(ms: number): number {
  // Above 2^24 µs everything is the same, and below 0 a clock would have gone backwards.
  if (ms > 16777.216) return BUCKETS - 1;
  const microseconds = Math.ceil(ms * 1000);
  return microseconds <= 8 ? 0 : 32 - FIRST - Math.clz32(microseconds - 1);
}

/** How often something took how long. */
export interface Distribution {
  readonly count: number;
  readonly sumSeconds: number;
  /** Observations of each bucket alone. */
  readonly buckets: readonly number[];
}

/** The upper bound in seconds of the bucket that holds the given share (0…1) of all; Infinity beyond the last bound. */
export function quantile({ count, buckets }: Distribution, share: number): number {
  let seen = 0;
  for (const [i, observations] of buckets.entries()) {
    seen += observations;
    if (seen > 0 && seen >= count * share) return bucketBounds[i] ?? Number.POSITIVE_INFINITY;
  }
  return 0;
}
