// Milliseconds since 1970, as Date and fs.Stats give them with a fraction, as the two numbers of a timespec.

export function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}

/** The rest of the second, in ns: below 1e9, to which a moment just before 1970 would round. */
export function nanosecondsOf(ms: number): number {
  return Math.min(999_999_999, Math.floor((ms - secondsOf(ms) * 1000) * 1e6));
}

/** Seconds, and the rest in ns. */
export function timestampOf(ms: number): readonly [seconds: number, nsec: number] {
  return [secondsOf(ms), nanosecondsOf(ms)];
}
