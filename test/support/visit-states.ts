// Looking at every state that a small model of some threads can come to.

/**
 * Visits every state that can be reached; returns how many there are.
 * @param after the states that may come next, in any order; throws where a promise is broken
 * @param keyOf states with the same key are the same
 */
export function visitStates<S>(
  start: S,
  after: (state: S, key: string) => readonly S[],
  keyOf: (state: S) => string = JSON.stringify,
): number {
  const seen = new Set<string>();
  const open: S[] = [start];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = keyOf(state);
    if (seen.has(key)) continue;
    seen.add(key);
    open.push(...after(state, key));
  }
  return seen.size;
}
