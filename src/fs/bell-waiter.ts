// How the namespace thread waits for its bell: awake for a moment, then asleep for a while, then at rest.
//
// Awake: who calls one operation on names after the other is back some 30 µs after a reply, and being woken on another
// CPU costs as much again. So the thread looks at the bell before it sleeps, where the last waits were that short. Where
// that is in vain (one CPU for all, callers that do something else in between) it sleeps: 16 times before it looks again,
// twice as often after each failure.
//
// At rest: only now does everything ring. Before, the thread looks at its channels again soon in any case, and what
// nobody waits for (a FORGET) need not wake it.

import { performance } from 'node:perf_hooks';
import { control } from '../overlay/shared/shared-state.js';

/** How long it stays awake, in ms. A sleep that was not much longer says that staying awake would have paid. */
const AWAKE = 0.05;
/** Short sleeps between two attempts to stay awake, after one failure and after many. */
const FIRST_PAUSE = 16;
const LONGEST_PAUSE = 4096;
/** How long it sleeps before it rests, in ms: for so long a FORGET may lie. */
const LINGER = 100;

export class BellWaiter {
  readonly #control: Int32Array;
  readonly #now: () => number;
  /** the last sleep was short */
  #quick = false;
  /** short sleeps to go before the next attempt */
  #pause = 0;
  #nextPause = FIRST_PAUSE;

  /** @param controlWords of the mount; they hold the bell */
  constructor(controlWords: Int32Array, now: () => number = () => performance.now()) {
    this.#control = controlWords;
    this.#now = now;
  }

  /**
   * Returns when the bell has rung since it was read as `bell`, or `timeout` ms have passed, or earlier: the caller looks
   * at all channels and waits again.
   */
  wait(bell: number, timeout: number): void {
    if (Atomics.load(this.#control, control.namespaceRests) !== 0) {
      const outcome = Atomics.wait(this.#control, control.bell, bell, timeout);
      if (outcome !== 'timed-out') Atomics.store(this.#control, control.namespaceRests, 0);
      return;
    }
    const begun = this.#now();
    if (this.#quick && this.#pause === 0) {
      if (this.#rangBefore(begun + Math.min(AWAKE, timeout), bell)) {
        this.#nextPause = FIRST_PAUSE;
        return;
      }
      this.#pause = this.#nextPause;
      this.#nextPause = Math.min(LONGEST_PAUSE, this.#nextPause * 2);
    }
    const outcome = Atomics.wait(this.#control, control.bell, bell, Math.min(LINGER, timeout));
    // The caller looks once more before it sleeps: what came without a ring before this store is found then.
    if (outcome === 'timed-out') Atomics.store(this.#control, control.namespaceRests, 1);
    this.#quick = this.#now() - begun < AWAKE * 2;
    if (this.#quick && this.#pause > 0) this.#pause--;
  }

  #rangBefore(until: number, bell: number): boolean {
    for (;;) {
      if (Atomics.load(this.#control, control.bell) !== bell) return true;
      if (this.#now() >= until) return false;
    }
  }
}
