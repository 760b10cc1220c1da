// How long something took, by a clock that nobody sets.

/** @param begun of performance.now(). @returns seconds, to the millisecond */
export function secondsSince(begun: number): number {
  return Math.round(performance.now() - begun) / 1000;
}
