// Runs threads in every order: each stops before what it does to shared memory (see stepwise.ts), and one goes on at a time.
//
// Of two ways that lead to the same state only one is followed: a state is what is in memory, who sleeps where, and of each
// thread all that it has seen so far, which decides what it does next. With a bound on preemptions (a thread is left although
// it could go on) the search is smaller, and still finds nearly every mistake.
//
// Atomics.wait compares and falls asleep in one step; a notify wakes who slept first. A timeout may come at any time.

import { clock } from './threads.js';
import { type Bounds, type Scenario, World } from './world.js';

export interface Explored {
  readonly runs: number;
  readonly states: number;
  readonly steps: number;
  /** nothing was left out but by the bounds */
  readonly complete: boolean;
}

/** @throws the first thing that goes wrong, with the steps that led to it */
export function explore(scenario: () => Scenario, bounds: Bounds = {}): Explored {
  const { preemptions = Number.POSITIVE_INFINITY, runs: most = Number.POSITIVE_INFINITY } = bounds;
  const isBounded = preemptions !== Number.POSITIVE_INFINITY;
  clock.tick = bounds.clockTick ?? 0.03;
  const seen = new Map<string, number>();
  const path: { at: number; count: number }[] = [];
  let runs = 0;
  let steps = 0;
  for (;;) {
    runs++;
    const world = new World(scenario());
    try {
      for (let depth = 0, left = preemptions; ; depth++) {
        const choices = world.choices(bounds).filter(({ cost }) => cost <= left);
        if (choices.length === 0) break;
        if (depth === path.length) {
          const key = world.key(isBounded);
          if ((seen.get(key) ?? -1) >= left) break;
          seen.set(key, left);
          path.push({ at: 0, count: choices.length });
        }
        if (depth > 20_000) throw new Error('it goes on for ever');
        const choice = choices[path[depth].at];
        left -= choice.cost;
        world.take(choice);
        steps++;
      }
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`${message}\n${JSON.stringify(world.view())}\n${world.trace}`, {
        cause: error,
      });
    }
    while (path.length > 0 && path.at(-1)!.at + 1 === path.at(-1)!.count) path.pop();
    if (path.length === 0) return { runs, states: seen.size, steps, complete: true };
    path.at(-1)!.at++;
    if (runs >= most) return { runs, states: seen.size, steps, complete: false };
  }
}
