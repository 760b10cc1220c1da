// t.match takes a longer array for a match of a shorter pattern, and any array at all for a match of []. This does not.

import type { Test } from 'tap';

/** As t.match; in addition every array has no more elements than its pattern. */
export function matchWhole(t: Test, found: unknown, pattern: unknown, message = 'should match as a whole'): void {
  const surplus = surplusOf(found, pattern);
  if (surplus === undefined) t.match(found, pattern, message);
  else t.fail(message, { surplus, found });
}

/** The first array that has more elements than its pattern; undefined where none has. */
function surplusOf(found: unknown, pattern: unknown, place = 'it'): string | undefined {
  if (typeof found !== 'object' || typeof pattern !== 'object' || found === null || pattern === null) return undefined;
  if (Array.isArray(found) && Array.isArray(pattern) && found.length > pattern.length)
    return `${place} has ${found.length} elements, ${pattern.length} are expected`;
  for (const [key, part] of Object.entries(pattern)) {
    const deeper = surplusOf((found as Record<string, unknown>)[key], part, `${place}.${key}`);
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}
